//! `&task` lends the result, and `task` moves it out: not both at once.

use ouroloop::create_task;

fn main() {
    let _ = ouroloop::run(async {
        let task = create_task(async { String::from("lent") });
        let lent = (&task).await.unwrap();
        let moved = task.await.unwrap();
        println!("{lent} {moved}");
    });
}
