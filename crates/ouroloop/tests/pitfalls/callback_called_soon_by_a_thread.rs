//! asyncio: `call_soon` from another thread corrupts the loop, or sleeps till something else comes.

use ouroloop::get_running_loop;

fn main() {
    let _ = ouroloop::run(async {
        let event_loop = get_running_loop().unwrap();
        std::thread::spawn(move || {
            event_loop.call_soon(|| println!("from a thread")).unwrap();
        });
    });
}
