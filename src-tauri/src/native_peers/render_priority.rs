//! Lowers the scheduling priority of software rendering threads, so that audio and video of a call run first.
//!
//! Without a GPU, Mesa's `llvmpipe` renders in threads of the app and the webview, which use all remaining processor time.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::process::{Pid, getpid, getpriority_process, setpriority_process};

/// The prefix of the names of Mesa's rendering threads; a number follows.
const THREAD_NAME_PREFIX: &str = "llvmpipe-";

/// The nice value of rendering threads (setpriority(2)): a ninth of the weight of nice 0 (sched(7)).
const NICE: i32 = 10;

/// The maximum depth of the webview's processes below the app: the sandbox adds levels.
const MAX_DEPTH: usize = 3;

/// Lowers the priority of all rendering threads permanently. Returns their number: 0 with a GPU, or when `/proc` does not
/// list them. Blocks while it reads about a hundred small files.
pub fn lower() -> usize {
    process_tree(getpid(), MAX_DEPTH)
        .into_iter()
        .flat_map(rendering_threads)
        .filter(|thread| lower_thread(*thread))
        .count()
}

/// A process and its descendants, down to this depth.
fn process_tree(process: Pid, depth: usize) -> Vec<Pid> {
    let mut tree = vec![process];
    if depth > 0 {
        let children = tasks(process).into_iter().filter_map(|task| fs::read_to_string(task.join("children")).ok());
        let children: Vec<Pid> =
            children.flat_map(|list| list.split_whitespace().filter_map(pid).collect::<Vec<_>>()).collect();
        tree.extend(children.into_iter().flat_map(|child| process_tree(child, depth - 1)));
    }
    tree
}

/// The rendering threads of a process.
fn rendering_threads(process: Pid) -> Vec<Pid> {
    let is_rendering =
        |task: &Path| fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with(THREAD_NAME_PREFIX));
    let rendering = tasks(process).into_iter().filter(|task| is_rendering(task));
    rendering.filter_map(|task| pid(task.file_name()?.to_str()?)).collect()
}

/// The `/proc` directories of a process's threads; none when it has exited.
fn tasks(process: Pid) -> Vec<PathBuf> {
    let directory = fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero()));
    directory.into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn pid(text: &str) -> Option<Pid> {
    Pid::from_raw(text.parse().ok()?)
}

/// Lowers a thread's priority unless it is as low already: raising it is not permitted. Returns whether it is low now.
fn lower_thread(thread: Pid) -> bool {
    getpriority_process(Some(thread)).is_ok_and(|nice| nice >= NICE) || setpriority_process(Some(thread), NICE).is_ok()
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    #[test]
    fn only_rendering_threads_get_a_lower_priority() {
        let own = getpriority_process(None).unwrap();
        let lower_named = |name: &str| {
            let (started, id) = mpsc::channel();
            let (end, ended) = mpsc::channel::<()>();
            let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
                started.send(rustix::thread::gettid()).unwrap();
                ended.recv().ok();
            });
            let id = id.recv().unwrap();
            let count = lower();
            let nice = getpriority_process(Some(id)).unwrap();
            drop(end);
            thread.unwrap().join().unwrap();
            (count, nice)
        };
        assert_eq!(lower_named("llvmpipe-0"), (1, own.max(NICE)));
        assert_eq!(lower_named("AudioWorklet"), (0, own));
        assert_eq!(getpriority_process(None).unwrap(), own);
    }

    #[test]
    fn the_process_tree_contains_children() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let contains = process_tree(getpid(), MAX_DEPTH).contains(&Pid::from_child(&child));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(contains);
    }
}
