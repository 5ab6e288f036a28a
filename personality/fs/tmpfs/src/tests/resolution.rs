//! How paths are resolved.

use super::*;

#[test]
fn components_slashes_and_dots_are_skipped() {
    let world = world();
    world.mkdir("/a").expect("mkdir");
    world.mkdir("//a///b/").expect("mkdir");
    world.put("/a/b/f", "x").expect("put");
    for path in ["/a/b/f", "//a/./b/../b/f", "/../a/b/f", "a/b/f"] {
        assert!(world.stat(path).is_ok(), "{path}");
    }
    assert_eq!(world.stat("").err(), Some(Errno::ENOENT));
    assert_eq!(world.stat("/a/b/f/").err(), Some(Errno::ENOTDIR));
    assert_eq!(world.stat("/a/b/f/.").err(), Some(Errno::ENOTDIR));
    assert_eq!(world.stat("/a/x/..").err(), Some(Errno::ENOENT));
    assert!(world.stat("/a/b/").is_ok());
}

#[test]
fn links_are_followed_up_to_forty_times() {
    let world = world();
    world.put("/f", "x").expect("put");
    world.symlink("/f", "/l0").expect("symlink");
    for index in 0..40 {
        world.symlink(&std::format!("l{index}"), &std::format!("/l{}", index + 1)).expect("symlink");
    }
    assert!(world.stat("/l39").is_ok());
    assert_eq!(world.stat("/l40").err(), Some(Errno::ELOOP));
    world.symlink("loop", "/loop").expect("symlink");
    assert_eq!(world.stat("/loop").err(), Some(Errno::ELOOP));
    assert_eq!(world.lstat("/loop").expect("lstat").kind, FileKind::Symlink);
}

#[test]
fn links_work_in_the_middle_and_with_a_trailing_slash() {
    let world = world();
    world.mkdir("/d").expect("mkdir");
    world.put("/d/f", "x").expect("put");
    world.symlink("d", "/l").expect("symlink");
    world.symlink("d/", "/slashed").expect("symlink");
    world.symlink("d/f/", "/bad").expect("symlink");
    assert!(world.stat("/l/f").is_ok() && world.stat("/slashed/f").is_ok());
    assert_eq!(world.lstat("/l").expect("lstat").kind, FileKind::Symlink);
    assert_eq!(world.lstat("/l/").expect("lstat").kind, FileKind::Directory);
    assert_eq!(world.stat("/bad").err(), Some(Errno::ENOTDIR));
}

#[test]
fn long_names_and_paths_are_refused() {
    let world = world();
    let name = "n".repeat(255);
    assert!(world.put(&std::format!("/{name}"), "").is_ok());
    assert_eq!(world.put(&std::format!("/{name}n"), ""), Err(Errno::ENAMETOOLONG));
    assert_eq!(world.stat(&"/".repeat(4096)).err(), Some(Errno::ENAMETOOLONG));
    assert!(world.stat(&"/".repeat(4095)).is_ok());
}

#[test]
fn search_permission_is_needed_on_every_directory() {
    let mut world = world();
    world.mkdir("/secret").expect("mkdir");
    world.put("/secret/f", "x").expect("put");
    let directory = world.find("/secret").expect("find");
    world.caller().change_mode(&directory, 0o700).expect("chmod");
    world.become_user(7);
    assert_eq!(world.stat("/secret/f").err(), Some(Errno::EACCES));
    assert_eq!(world.stat("/secret/..").err(), Some(Errno::EACCES));
    assert!(world.stat("/secret").is_ok());
    assert_eq!(world.put("/new", "x"), Err(Errno::EACCES));
}

#[test]
fn dot_dot_stays_in_the_root_of_a_process() {
    let world = world();
    world.mkdir("/jail").expect("mkdir");
    world.mkdir("/jail/in").expect("mkdir");
    world.fs.set_root(world.find("/jail").expect("find"));
    assert!(world.stat("/in").is_ok());
    assert!(world.stat("/../../in").is_ok());
    assert!(world.cwd_text().is_unreachable);
    world.fs.set_working_directory(world.find("/in").expect("find"));
    assert_eq!(world.cwd_text().bytes, b"/in");
}

#[test]
fn openat2_can_stay_beneath_a_directory() {
    let world = world();
    world.mkdir("/base").expect("mkdir");
    world.put("/base/f", "x").expect("put");
    world.symlink("/base/f", "/base/absolute").expect("symlink");
    world.symlink("f", "/base/relative").expect("symlink");
    let base = world.find("/base").expect("find");
    let find = |path: &str, flags| resolve(world.caller(), Some(&base), path.as_bytes(), flags | WalkFlags::FOLLOW);
    assert!(find("relative", WalkFlags::BENEATH).is_ok());
    assert_eq!(find("../base/f", WalkFlags::BENEATH).err(), Some(Errno::EXDEV));
    assert_eq!(find("absolute", WalkFlags::BENEATH).err(), Some(Errno::EXDEV));
    assert!(find("../f", WalkFlags::IN_ROOT).is_ok());
    assert_eq!(find("relative", WalkFlags::NO_SYMLINKS).err(), Some(Errno::ELOOP));
}

#[test]
fn mounts_hide_what_is_below_and_are_busy_while_used() {
    let world = world();
    world.mkdir("/mnt").expect("mkdir");
    world.put("/mnt/hidden", "x").expect("put");
    let mount = |world: &World| {
        let tmpfs = Tmpfs::new(Options::for_ram()).expect("memory");
        world.namespace.mount(&world.find("/mnt").expect("find"), tmpfs, "none", MountFlags::empty())
    };
    mount(&world).expect("mount");
    assert_eq!(world.stat("/mnt/hidden").err(), Some(Errno::ENOENT));
    let file = world.open("/mnt/new", OpenFlags::CREAT).expect("open");
    assert_eq!(world.rename("/mnt/new", "/new", RenameRule::Replace), Err(Errno::EXDEV));
    assert_eq!(world.rmdir("/mnt"), Err(Errno::EBUSY));
    assert!(world.find("/mnt/..").expect("find").is_same(&world.fs.root()));
    let unmount = |how| world.namespace.unmount(world.find("/mnt").expect("find"), how);
    assert_eq!(unmount(Unmount::IfUnused), Err(Errno::EBUSY));
    drop(file);
    unmount(Unmount::IfUnused).expect("umount");
    assert!(world.stat("/mnt/hidden").is_ok());
    assert_eq!(unmount(Unmount::IfUnused), Err(Errno::EINVAL));
    mount(&world).expect("mount");
    mount(&world).expect("mount on top");
    let _busy = world.open("/mnt", OpenFlags::DIRECTORY).expect("open");
    unmount(Unmount::Lazily).expect("lazy umount");
    unmount(Unmount::IfUnused).expect("umount");
    let text = world.namespace.show_mounts(&world.fs.root());
    assert!(text.starts_with(b"rootfs / tmpfs rw,relatime"), "{}", alloc::string::String::from_utf8_lossy(&text));
}

#[test]
fn a_bind_mount_shows_the_same_tree_and_read_only_mounts_refuse() {
    let world = world();
    world.mkdir("/a").expect("mkdir");
    world.mkdir("/b").expect("mkdir");
    world.namespace.bind(&world.find("/a").expect("find"), &world.find("/b").expect("find")).expect("bind");
    world.put("/b/f", "same").expect("put");
    assert_eq!(world.get("/a/f").expect("get"), b"same");
    world.namespace.remount(&world.find("/b").expect("find"), MountFlags::RDONLY, "").expect("remount");
    assert_eq!(world.put("/b/f", "x"), Err(Errno::EROFS));
    assert_eq!(world.mkdir("/b/d"), Err(Errno::EROFS));
    assert_eq!(world.mkdir("/b/f"), Err(Errno::EEXIST));
    assert_eq!(world.unlink("/b/f"), Err(Errno::EROFS));
    assert!(world.put("/a/f", "x").is_ok());
}

#[test]
fn a_removed_working_directory_has_no_path_and_takes_no_files() {
    let world = world();
    world.mkdir("/gone").expect("mkdir");
    world.fs.set_working_directory(world.find("/gone").expect("find"));
    world.rmdir("/gone").expect("rmdir");
    assert!(world.cwd_text().is_deleted);
    assert_eq!(world.put("f", "x"), Err(Errno::ENOENT));
    assert_eq!(world.mkdir("d"), Err(Errno::ENOENT));
    assert!(world.stat(".").is_ok() && world.stat("..").is_ok());
    assert_eq!(world.stat(".").expect("stat").links, 0);
}
