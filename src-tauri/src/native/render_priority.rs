//! Lowers the priority of software rendering.
//!
//! Without a graphics card Mesa's `llvmpipe` renders in threads of the app and of the webview, which use all that is left of the
//! processors. A call's audio and video come before that.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::process::{Pid, getpid, getpriority_process, setpriority_process};

/// What Mesa calls its threads, with a number behind.
const THREADS: &str = "llvmpipe-";

/// How nice they are from then on (setpriority(2)): a ninth of the processor time of what they compete with (sched(7)).
const NICE: i32 = 10;

/// How deep the webview's processes may be below the app: it is their parent, or that of the sandbox around them.
const DEPTH: usize = 3;

/// Lowers the priority of all rendering threads, for good. Returns how many there are: none where a graphics card renders, or where
/// the system does not list them. Reads a hundred small files.
pub fn lower() -> usize {
    family(getpid(), DEPTH).into_iter().flat_map(threads_of).filter(|thread| be_nice(*thread)).count()
}

/// This process and what descends from it.
fn family(process: Pid, depth: usize) -> Vec<Pid> {
    let mut family = vec![process];
    if depth > 0 {
        let children = tasks(process).into_iter().filter_map(|task| fs::read_to_string(task.join("children")).ok());
        let children: Vec<Pid> =
            children.flat_map(|list| list.split_whitespace().filter_map(pid).collect::<Vec<_>>()).collect();
        family.extend(children.into_iter().flat_map(|child| self::family(child, depth - 1)));
    }
    family
}

/// The rendering threads of a process.
fn threads_of(process: Pid) -> Vec<Pid> {
    let renders = |task: &Path| fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with(THREADS));
    let rendering = tasks(process).into_iter().filter(|task| renders(task));
    rendering.filter_map(|task| pid(task.file_name()?.to_str()?)).collect()
}

/// The folders of a process's threads; none where it is gone.
fn tasks(process: Pid) -> Vec<PathBuf> {
    let folder = fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero()));
    folder.into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn pid(text: &str) -> Option<Pid> {
    Pid::from_raw(text.parse().ok()?)
}

/// Never less nice than it was: that would not be allowed.
fn be_nice(thread: Pid) -> bool {
    getpriority_process(Some(thread)).is_ok_and(|nice| nice >= NICE) || setpriority_process(Some(thread), NICE).is_ok()
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    #[test]
    fn only_rendering_threads_get_a_lower_priority() {
        let own = getpriority_process(None).unwrap();
        let nice = |name: &str| {
            let (told, heard) = mpsc::channel();
            let (end, ended) = mpsc::channel::<()>();
            let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
                told.send(rustix::thread::gettid()).unwrap();
                ended.recv().ok();
            });
            let thread = (thread.unwrap(), heard.recv().unwrap());
            let found = lower();
            let nice = getpriority_process(Some(thread.1)).unwrap();
            drop(end);
            thread.0.join().unwrap();
            (found, nice)
        };
        assert_eq!(nice("llvmpipe-0"), (1, own.max(NICE)));
        assert_eq!(nice("AudioWorklet"), (0, own));
        assert_eq!(getpriority_process(None).unwrap(), own);
    }

    #[test]
    fn the_family_has_children_in_it() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let there = family(getpid(), DEPTH).contains(&Pid::from_child(&child));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(there);
    }
}
