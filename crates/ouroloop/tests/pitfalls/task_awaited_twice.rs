//! asyncio allows it; here the first await moves the result out.

use ouroloop::create_task;

fn main() {
    let _ = ouroloop::run(async {
        let task = create_task(async { String::from("once") });
        println!("{:?}", task.await);
        println!("{:?}", task.await);
    });
}
