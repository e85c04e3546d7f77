//! asyncio: the thread sets the future, nobody wakes the loop, and the program hangs.

use ouroloop::create_future;

fn main() {
    let _ = ouroloop::run(async {
        let promise = create_future::<u32>();
        let answer = promise.future();
        std::thread::spawn(move || promise.set_result(42));
        answer.await
    });
}
