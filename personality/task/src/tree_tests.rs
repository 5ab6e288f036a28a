//! Numbers, groups, sessions, orphans.

use super::*;

fn tree() -> Tree<(), ()> {
    Tree::new((), 64)
}

fn child(tree: &mut Tree<(), ()>, parent: Pid) -> Pid {
    let pid = tree.reserve_number().expect("there is room");
    tree.add_child(pid, (), parent, Some(Signal::SIGCHLD)).expect("the parent exists");
    tree.add_thread(pid, ());
    pid
}

fn end(tree: &mut Tree<(), ()>, pid: Pid) {
    tree.remove_thread(pid);
    tree.get_mut(pid).expect("it exists").ended = Some(ExitStatus::Code(0));
}

#[test]
fn numbers_are_not_reused_while_a_group_bears_them() {
    let mut tree = tree();
    let leader = child(&mut tree, INIT);
    tree.set_group(leader, 0, 0).expect("one may lead a group");
    let member = child(&mut tree, leader);
    assert_eq!(tree.get(member).map(|entry| entry.group), Some(leader));
    end(&mut tree, leader);
    tree.reparent_children(leader);
    tree.reap(leader);
    assert!(tree.is_used(leader));
    end(&mut tree, member);
    tree.reap(member);
    assert!(!tree.is_used(leader));
    assert!(!tree.is_used(member));
}

#[test]
fn too_many_processes_are_refused() {
    let mut tree = tree();
    for _ in 0..63 {
        child(&mut tree, INIT);
    }
    assert_eq!(tree.reserve_number(), Err(Errno::EAGAIN));
}

#[test]
fn a_hundred_thousand_processes_come_and_go() {
    let mut tree = tree();
    for _ in 0..100_000 {
        let pid = child(&mut tree, INIT);
        end(&mut tree, pid);
        tree.reap(pid);
    }
    assert_eq!(tree.processes.len(), 1);
    assert_eq!(tree.uses.iter().filter(|uses| **uses != 0).count(), 1);
}

#[test]
fn setpgid_refuses_what_linux_refuses() {
    let mut tree = tree();
    let shell = child(&mut tree, INIT);
    tree.new_session(shell).expect("a child is no leader");
    assert_eq!(tree.new_session(shell), Err(Errno::EPERM));
    assert_eq!(tree.set_group(shell, 0, 0), Err(Errno::EPERM), "a session leader stays");
    let job = child(&mut tree, shell);
    assert_eq!(tree.set_group(shell, job, -1), Err(Errno::EINVAL));
    assert_eq!(tree.set_group(shell, job, 999), Err(Errno::EPERM), "no such group");
    assert_eq!(tree.set_group(shell, job, job), Ok(()));
    let second = child(&mut tree, shell);
    assert_eq!(tree.set_group(shell, second, job), Ok(()));
    assert_eq!(tree.set_group(second, job, 0), Err(Errno::ESRCH), "a sibling is no child");
    tree.get_mut(second).expect("it exists").has_executed = true;
    assert_eq!(tree.set_group(shell, second, second), Err(Errno::EACCES));
    tree.set_group(second, 0, 0).expect("it may move itself");
    tree.set_group(second, 0, shell).expect("to any group of its session");
    tree.new_session(second).expect("it leads no group");
    assert_eq!(tree.set_group(shell, second, second), Err(Errno::EPERM), "another session");
}

#[test]
fn a_group_is_orphaned_when_its_last_outside_parent_goes() {
    let mut tree = tree();
    let shell = child(&mut tree, INIT);
    tree.new_session(shell).expect("a child is no leader");
    let job = child(&mut tree, shell);
    tree.set_group(job, 0, 0).expect("it may");
    let helper = child(&mut tree, job);
    assert!(!tree.is_orphaned(job, None));
    assert!(tree.is_orphaned(shell, None), "the shell's parent is in another session");
    assert!(tree.is_orphaned(job, Some(job)), "the helper's parent is in the same group");
    end(&mut tree, job);
    let (children, heir) = tree.reparent_children(job);
    assert_eq!((children, heir), (alloc::vec![helper], INIT).clone());
    assert!(tree.is_orphaned(job, None));
}

#[test]
fn orphans_go_to_the_nearest_subreaper() {
    let mut tree = tree();
    let reaper = child(&mut tree, INIT);
    tree.get_mut(reaper).expect("it exists").is_subreaper = true;
    let parent = child(&mut tree, reaper);
    let middle = child(&mut tree, parent);
    let orphan = child(&mut tree, middle);
    end(&mut tree, middle);
    assert_eq!(tree.reparent_children(middle), (alloc::vec![orphan], reaper));
    assert_eq!(tree.get(orphan).map(|entry| entry.parent), Some(reaper));
}
