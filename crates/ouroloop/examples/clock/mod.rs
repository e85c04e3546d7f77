//! The clock on the wall, for those examples whose lines say when they were printed.

/// Gives the time as Python's `time.strftime("%X")` does; but the day begins with the loop, so the
/// seconds that went by are plain to see.
pub fn strftime() -> String {
    let event_loop = ouroloop::get_running_loop().expect("it is asked from within a loop");
    let seconds = event_loop.time().as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60);
    format!("{hours:02}:{:02}:{:02}", minutes % 60, seconds % 60)
}
