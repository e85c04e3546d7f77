//! A task outlives the function that made it, so it cannot borrow from there.

use ouroloop::create_task;

async fn greet(name: &str) {
    println!("hello {name}");
}

async fn greet_all() {
    let name = String::from("guido");
    create_task(greet(&name));
}

fn main() {
    let _ = ouroloop::run(greet_all());
}
