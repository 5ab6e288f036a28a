//! Making, removing and renaming names.

use super::*;

#[test]
fn making_what_exists_fails() {
    let world = world();
    world.mkdir("/d").expect("mkdir");
    world.put("/f", "x").expect("put");
    assert_eq!(world.mkdir("/d"), Err(Errno::EEXIST));
    assert_eq!(world.mkdir("/"), Err(Errno::EEXIST));
    assert_eq!(world.mkdir("/d/."), Err(Errno::EEXIST));
    assert_eq!(world.mkdir("/d/.."), Err(Errno::EEXIST));
    assert_eq!(world.symlink("x", "/f"), Err(Errno::EEXIST));
    assert_eq!(world.symlink("x", "/new/"), Err(Errno::ENOENT));
    assert_eq!(world.symlink("", "/new"), Err(Errno::ENOENT));
    assert_eq!(world.mkdir("/f/d"), Err(Errno::ENOTDIR));
    assert_eq!(world.mkdir("/missing/d"), Err(Errno::ENOENT));
    let create = OpenFlags::CREAT | OpenFlags::WRONLY;
    assert_eq!(world.open("/f", create | OpenFlags::EXCL).err(), Some(Errno::EEXIST));
    assert_eq!(world.open("/d", create).err(), Some(Errno::EISDIR));
    assert_eq!(world.open("/new/", create).err(), Some(Errno::EISDIR));
}

#[test]
fn open_follows_dangling_links_to_create_but_not_with_excl() {
    let world = world();
    world.symlink("target", "/l").expect("symlink");
    let create = OpenFlags::CREAT | OpenFlags::WRONLY;
    assert_eq!(world.open("/l", create | OpenFlags::EXCL).err(), Some(Errno::EEXIST));
    assert_eq!(world.open("/l", create | OpenFlags::NOFOLLOW).err(), Some(Errno::ELOOP));
    assert!(world.open("/l", create).is_ok());
    assert!(world.stat("/target").is_ok());
    assert!(world.open("/l", OpenFlags::PATH | OpenFlags::NOFOLLOW).is_ok());
    assert_eq!(world.open("/target", OpenFlags::DIRECTORY).err(), Some(Errno::ENOTDIR));
}

#[test]
fn removing_checks_the_type() {
    let world = world();
    world.mkdir("/d").expect("mkdir");
    world.put("/d/f", "x").expect("put");
    assert_eq!(world.unlink("/d"), Err(Errno::EISDIR));
    assert_eq!(world.unlink("/d/f/"), Err(Errno::ENOTDIR));
    assert_eq!(world.rmdir("/d/f"), Err(Errno::ENOTDIR));
    assert_eq!(world.rmdir("/d"), Err(Errno::ENOTEMPTY));
    assert_eq!(world.rmdir("/d/."), Err(Errno::EINVAL));
    assert_eq!(world.rmdir("/d/.."), Err(Errno::ENOTEMPTY));
    assert_eq!(world.rmdir("/"), Err(Errno::EBUSY));
    world.unlink("/d/f").expect("unlink");
    world.rmdir("/d").expect("rmdir");
    assert_eq!(world.stat("/").expect("stat").links, 2);
}

#[test]
fn links_are_counted_and_files_live_while_open() {
    let world = world();
    world.put("/a", "text").expect("put");
    world.link("/a", "/b").expect("link");
    assert_eq!(world.stat("/a").expect("stat").links, 2);
    let open = world.open("/b", OpenFlags::empty()).expect("open");
    world.unlink("/a").expect("unlink");
    world.unlink("/b").expect("unlink");
    assert_eq!(open.metadata().expect("metadata").links, 0);
    assert_eq!(read_all(&open).expect("read"), b"text");
    assert_eq!(open.path().display(&world.fs.root()), b"/b (deleted)");
    world.mkdir("/d").expect("mkdir");
    assert_eq!(world.link("/d", "/e"), Err(Errno::EPERM));
}

#[test]
fn an_unnamed_file_can_get_a_name() {
    let world = world();
    let flags = OpenFlags::TMPFILE_BIT | OpenFlags::DIRECTORY | OpenFlags::RDWR;
    let file = world.open("/", flags).expect("tmpfile");
    assert_eq!(file.metadata().expect("metadata").links, 0);
    world.caller().link(file.path(), None, b"/named").expect("link");
    assert_eq!(world.stat("/named").expect("stat").links, 1);
}

#[test]
fn rename_replaces_only_what_fits() {
    let world = world();
    world.mkdir("/d").expect("mkdir");
    world.mkdir("/d/sub").expect("mkdir");
    world.mkdir("/e").expect("mkdir");
    world.put("/f", "f").expect("put");
    world.put("/g", "g").expect("put");
    let rename = |old, new| world.rename(old, new, RenameRule::Replace);
    assert_eq!(rename("/d", "/d/sub/x"), Err(Errno::EINVAL));
    assert_eq!(rename("/f", "/d"), Err(Errno::EISDIR));
    assert_eq!(rename("/d", "/f"), Err(Errno::ENOTDIR));
    assert_eq!(rename("/e", "/d"), Err(Errno::ENOTEMPTY));
    assert_eq!(rename("/e/../d/sub", "/d"), Err(Errno::ENOTEMPTY));
    assert_eq!(rename("/f", "/new/"), Err(Errno::ENOTDIR));
    assert_eq!(rename("/missing", "/new"), Err(Errno::ENOENT));
    assert_eq!(rename("/d/.", "/new"), Err(Errno::EBUSY));
    rename("/f", "/g").expect("replace");
    assert_eq!(world.get("/g").expect("get"), b"f");
    rename("/d", "/e").expect("replace an empty directory");
    assert!(world.stat("/e/sub").is_ok());
    assert_eq!(world.stat("/").expect("stat").links, 3);
    rename("/e", "/e").expect("onto itself");
    rename("/e/sub", "/sub").expect("up");
    assert_eq!(world.stat("/").expect("stat").links, 4);
    assert_eq!(world.stat("/e").expect("stat").links, 2);
}

#[test]
fn rename_can_exchange_or_refuse_to_replace() {
    let world = world();
    world.mkdir("/d").expect("mkdir");
    world.put("/d/f", "f").expect("put");
    world.put("/g", "g").expect("put");
    assert_eq!(world.rename("/g", "/d/f", RenameRule::NoReplace), Err(Errno::EEXIST));
    world.rename("/g", "/d/f", RenameRule::Exchange).expect("exchange");
    assert_eq!((world.get("/g").expect("get"), world.get("/d/f").expect("get")), (b"f".to_vec(), b"g".to_vec()));
    world.rename("/g", "/d", RenameRule::Exchange).expect("exchange a file and a directory");
    assert_eq!(world.get("/g/f").expect("get"), b"g");
    assert_eq!(world.rename("/g", "/missing", RenameRule::Exchange), Err(Errno::ENOENT));
}

#[test]
fn an_open_directory_keeps_its_place_after_a_rename() {
    let world = world();
    world.mkdir("/old").expect("mkdir");
    world.mkdir("/old/in").expect("mkdir");
    world.fs.set_working_directory(world.find("/old/in").expect("find"));
    world.rename("/old", "/new", RenameRule::Replace).expect("rename");
    assert_eq!(world.cwd_text().bytes, b"/new/in");
    world.put("f", "x").expect("put");
    assert!(world.stat("/new/in/f").is_ok());
}

#[test]
fn the_sticky_bit_protects_names_from_others() {
    let mut world = world();
    world.mkdir("/tmp").expect("mkdir");
    world.caller().change_mode(&world.find("/tmp").expect("find"), 0o1777).expect("chmod");
    world.become_user(1);
    world.put("/tmp/mine", "x").expect("put");
    world.become_user(2);
    assert_eq!(world.unlink("/tmp/mine"), Err(Errno::EPERM));
    assert_eq!(world.rename("/tmp/mine", "/tmp/yours", RenameRule::Replace), Err(Errno::EPERM));
    world.become_user(1);
    world.unlink("/tmp/mine").expect("unlink");
}

#[test]
fn a_listing_goes_on_correctly_while_entries_change() {
    let world = world();
    world.mkdir("/d").expect("mkdir");
    for index in 0..10 {
        world.put(&std::format!("/d/f{index}"), "").expect("put");
    }
    let directory = world.open("/d", OpenFlags::DIRECTORY).expect("open");
    let mut seen = Vec::new();
    loop {
        let before = seen.len();
        let mut emit = |entry: vfs::DirectoryEntry<'_>| {
            if seen.len() == before + 3 {
                return core::ops::ControlFlow::Break(());
            }
            seen.push(entry.name.to_vec());
            core::ops::ControlFlow::Continue(())
        };
        directory.read_directory(&mut emit).expect("list");
        if seen.len() == before {
            break;
        }
        for name in seen.iter().skip(before).filter(|name| name.starts_with(b"f")) {
            world.unlink(&std::format!("/d/{}", alloc::string::String::from_utf8_lossy(name))).expect("unlink");
        }
    }
    assert_eq!(seen.len(), 12);
    assert_eq!(world.list("/d"), [b".".to_vec(), b"..".to_vec()]);
}

#[test]
fn owners_and_modes_follow_the_rules() {
    let mut world = world();
    world.put("/f", "x").expect("put");
    assert_eq!(world.stat("/f").expect("stat").permissions, 0o644);
    let path = world.find("/f").expect("find");
    world.caller().change_mode(&path, 0o6755).expect("chmod");
    world.caller().change_owner(&path, Some(5), Some(6)).expect("chown");
    assert_eq!(world.stat("/f").expect("stat").permissions, 0o755);
    world.become_user(5);
    assert_eq!(world.caller().change_owner(&path, Some(7), None), Err(Errno::EPERM));
    assert_eq!(world.caller().change_owner(&path, None, Some(5)), Ok(()));
    let time = NewTime::At(Timestamp { seconds: 1, nanoseconds: 2 });
    world.caller().change_times(&path, time, NewTime::Keep).expect("utimes");
    assert_eq!(world.stat("/f").expect("stat").accessed, Timestamp { seconds: 1, nanoseconds: 2 });
    world.become_user(9);
    assert_eq!(world.caller().change_times(&path, time, time), Err(Errno::EPERM));
    assert_eq!(world.caller().change_times(&path, NewTime::Now, NewTime::Now), Err(Errno::EACCES));
    assert_eq!(world.caller().change_mode(&path, 0), Err(Errno::EPERM));
}

#[test]
fn nodes_need_privilege_and_a_server() {
    let mut world = world();
    let make = |world: &World, kind| world.caller().make_node(None, b"/n", kind, 0o666, DeviceNumber::new(99, 1));
    make(&world, FileKind::CharDevice).expect("mknod");
    assert_eq!(world.open("/n", OpenFlags::empty()).err(), Some(Errno::ENXIO));
    world.unlink("/n").expect("unlink");
    world.caller().change_mode(&world.find("/").expect("find"), 0o777).expect("chmod");
    world.become_user(3);
    assert_eq!(make(&world, FileKind::CharDevice), Err(Errno::EPERM));
    make(&world, FileKind::Fifo).expect("mkfifo");
    let flags = OpenFlags::WRONLY | OpenFlags::NONBLOCK;
    assert_eq!(world.open("/n", flags).err(), Some(Errno::ENXIO));
    let reader = world.open("/n", OpenFlags::NONBLOCK).expect("reader");
    let writer = world.open("/n", flags).expect("writer");
    writer.write(&mut SliceSource::new(b"hi")).expect("write");
    assert_eq!(read_all(&reader).expect("read"), b"hi");
}

#[test]
fn a_deep_tree_goes_without_recursion() {
    let tmpfs = Tmpfs::new(Options { pages: 10, inodes: 30000, permissions: 0o755, uid: 0, gid: 0 }).expect("room");
    let mut directory = vfs::FileSystem::root(&*tmpfs);
    for _ in 0..20000 {
        directory = directory.create(b"d", &vfs::NewInode::new(FileKind::Directory, 0o755)).expect("mkdir");
    }
    drop(directory);
    drop(tmpfs);
}
