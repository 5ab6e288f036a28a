"""Commands for gdb on a machine that runs Banyan: `banyan help`.

    cargo run -- run --gdb --exec CMD                      # waits for the debugger, and says its NUMBER
    gdb -x ci/debug/banyan.py -ex 'banyan attach NUMBER'   # without a number: the machine that was started last

It reads the kernel's own objects through the kernel's debug information, so it knows no offsets. The machine must have booted
far enough: before the kernel made its first thread there is nothing to show. The list of programs (name, ELF file, load address; in
front of them where the machine waits) is written by `run --gdb`; BANYAN_PROGRAMS names another one.
"""

import os
import re

import gdb

SLOT_BYTES = 64
PRIORITIES = 256
KERNEL = "ukernel"
TARGET = "@target"
HERE = os.path.dirname(os.path.abspath(__file__))


class Missing(gdb.GdbError):
    """Something that a command needs is not there."""


def list_of(number=None):
    """The list of programs of the machine with a number, or of the one that was started last."""
    if os.environ.get("BANYAN_PROGRAMS"):
        return os.environ["BANYAN_PROGRAMS"]
    target = os.environ.get("CARGO_TARGET_DIR") or os.path.join(HERE, "..", "..", "target")
    folder = os.path.join(target, "banyan", "debug")
    if number:
        return os.path.join(folder, f"{number}.tsv")
    lists = [os.path.join(folder, name) for name in os.listdir(folder)] if os.path.isdir(folder) else []
    lists = [path for path in lists if path.endswith(".tsv")]
    return max(lists, key=os.path.getmtime, default=os.path.join(folder, "NUMBER.tsv"))


def programs(path=None):
    """The programs of the machine: {name: (ELF file, load address)}."""
    path = path or list_of()
    try:
        with open(path, encoding="utf-8") as file:
            rows = [line.rstrip("\n").split("\t") for line in file]
    except OSError as error:
        raise Missing(f"there is no list of programs: {error}. Start the machine with `run --gdb`.") from error
    return {name: (elf, int(base, 0)) for name, elf, base in rows}


def type_of(name):
    """A type of the kernel."""
    try:
        return gdb.lookup_type(name)
    except gdb.error as error:
        raise Missing(f"the kernel's debug information has no {name}: {error}") from error


def at(address, name):
    """The object of a type at an address."""
    return gdb.Value(address).cast(type_of(name).pointer()).dereference()


def memory(address, size):
    """Bytes of the machine's memory."""
    return bytes(gdb.selected_inferior().read_memory(address, size))


def reference(value):
    """The address in a `Ref` or `Option<Ref>`; 0: none."""
    return int.from_bytes(memory(int(value.address), 8), "little")


def kernel():
    """The kernel's state."""
    found = gdb.lookup_static_symbol("ukernel::global::KERNEL") or gdb.lookup_global_symbol("ukernel::global::KERNEL")
    if found is None:
        raise Missing("there is no kernel: its symbols are not loaded (`banyan kernel FILE`)")
    address = int(found.value().address)
    return at(address, "ukernel_core::kernel::Kernel<ukernel_hal::hardware::Hardware<false>>")


def threads():
    """All threads, oldest first."""
    found, address = [], reference(kernel()["threads"])
    while address:
        thread = at(address, "ukernel_core::thread::Thread")
        found.append(thread)
        address = reference(thread["all_next"])
    return found[::-1]


def cpus():
    """The kernel's part of each processor's block, of those that run."""
    found = gdb.lookup_static_symbol("ukernel_hal::cpu::CPUS")
    if found is None:
        raise Missing("there are no blocks of processors: the kernel's symbols are not loaded")
    block = type_of("ukernel_hal::cpu::PerCpu")
    start = int(found.value().address)
    count = found.value().type.sizeof // block.sizeof
    blocks = (at(start + index * block.sizeof, "ukernel_hal::cpu::PerCpu") for index in range(count))
    # A block that was set up knows where it is.
    return [cpu["kernel"] for cpu in blocks if int(cpu["this"]) == int(cpu.address)]


def name_of(thread):
    """What the thread's maker calls it."""
    raw = memory(int(thread["name"].address), 24)
    return raw.split(b"\0")[0].decode("utf-8", "replace") or "-"


def short(value):
    """A value of the kernel as text, without paths."""
    text = re.sub(r"[A-Za-z_][A-Za-z0-9_]*::", "", str(value))
    text = re.sub(r"(?:NonZero<u64>\(|NonZeroInner\(|NonZeroU64Inner\()+(\d+)\)*", lambda m: hex(int(m[1])), text)
    text = re.sub(r"Ref<(\w+)> \{address: ([^,}]+), object: [^}]*\}", r"\1 \2", text)
    return re.sub(r"\s+", " ", text)


def find(argument):
    """The thread with a number or name; without: the running one."""
    all_threads = threads()
    if argument:
        chosen = [t for t in all_threads if argument in (str(int(t["number"])), name_of(t))]
        if not chosen:
            raise Missing(f"there is no thread {argument}")
        return chosen[0]
    running = [reference(cpu["current"]) for cpu in cpus()]
    chosen = [t for t in all_threads if int(t.address) in running]
    if not chosen:
        raise Missing("no thread runs: name one")
    return chosen[0]


class Banyan(gdb.Command):
    """Show what the kernel of a Banyan machine has: `banyan help`."""

    def __init__(self):
        super().__init__("banyan", gdb.COMMAND_DATA, gdb.COMPLETE_NONE)
        self.loaded = None

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        word = words[0] if words else "help"
        command = getattr(self, "do_" + word, None)
        if command is None:
            raise Missing(f"there is no command {word}: banyan help")
        command(*words[1:2])

    def do_help(self, _=None):
        """what there is"""
        for word in sorted(word for word in dir(self) if word.startswith("do_")):
            print(f"banyan {word[3:]:8}  {getattr(self, word).__doc__}")

    def do_attach(self, number=None):
        """connect to the machine with this NUMBER, which `run --gdb` says (without: to the newest)"""
        path = list_of(number)
        known = programs(path)
        if TARGET not in known:
            raise Missing(f"{path} does not say where its machine waits")
        os.environ["BANYAN_PROGRAMS"] = path
        self.do_kernel()
        gdb.execute(f"target remote {known[TARGET][0]}")

    def do_kernel(self, path=None):
        """load the kernel's symbols (of the list of programs, or from a FILE)"""
        gdb.execute("set confirm off")
        gdb.execute(f"file {path or programs()[KERNEL][0]}")

    def do_threads(self, _=None):
        """all threads: number, name, priority, state, instruction"""
        running = {reference(cpu["current"]): int(cpu["index"]) for cpu in cpus()}
        for thread in threads():
            cpu = running.get(int(thread.address))
            state = short(thread["state"]) if cpu is None else f"runs on processor {cpu}"
            number, priority = int(thread["number"]), int(thread["priority"])
            rip = int(thread["context"]["rip"])
            print(f"{number:5} {name_of(thread):24} priority {priority:3} rip {rip:#x} {state}")

    def do_caps(self, which=None):
        """the capabilities of a thread (NUMBER or NAME; without: of the running one)"""
        thread = find(which)
        address = reference(thread["table"])
        if not address:
            raise Missing("the thread has no CapTable")
        slots = int(at(address, "ukernel_core::captable::CapTable")["slots"])
        raw = memory(address + SLOT_BYTES, slots * SLOT_BYTES)
        print(f"thread {int(thread['number'])} {name_of(thread)}: CapTable {address:#x} of {slots} slots")
        for index in range(slots):
            if any(raw[index * SLOT_BYTES : (index + 1) * SLOT_BYTES]):
                slot = at(address + (index + 1) * SLOT_BYTES, "ukernel_core::capability::Slot")
                print(f"{index:6} {short(slot['cap'])}")

    def do_queues(self, _=None):
        """each processor's running thread and its run queues"""
        for cpu in cpus():
            current = reference(cpu["current"])
            thread = at(current, "ukernel_core::thread::Thread") if current else None
            runs = f"{int(thread['number'])} {name_of(thread)}" if current else "nobody"
            print(f"processor {int(cpu['index'])} runs {runs}")
            queues = cpu["run_queues"]["queues"]
            for priority in reversed(range(PRIORITIES)):
                names, address = [], reference(queues[priority]["head"])
                while address:
                    thread = at(address, "ukernel_core::thread::Thread")
                    names.append(f"{int(thread['number'])} {name_of(thread)}")
                    address = reference(thread["next"])
                if names:
                    print(f"  priority {priority}: {', '.join(names)}")

    def do_symbols(self, which=None):
        """load the symbols of a program (its NAME; without: that of the running thread), in place of the last"""
        known = programs()
        # A thread is called like its task, or TASK/THREAD.
        name = (which or name_of(find(None))).split("/")[0]
        if name not in known:
            raise Missing(f"there is no program {name}: {', '.join(sorted(known.keys() - {TARGET}))}")
        elf, base = known[name]
        gdb.execute("set confirm off")
        if self.loaded:
            # All programs of tasks are at one address, each in an address space of its own.
            gdb.execute(f"remove-symbol-file {self.loaded}", to_string=True)
        # Sections are where the file has them, moved by the load address.
        gdb.execute(f"add-symbol-file {elf} -o {base:#x}", to_string=True)
        self.loaded = elf
        print(f"symbols of {name} from {elf} at {base:#x}")


Banyan()
gdb.execute("set architecture i386:x86-64", to_string=True)
gdb.execute("set language rust", to_string=True)
