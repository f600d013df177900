//! The walls the operating system puts around a process that runs or compiles plugins.
//!
//! Owns: the order in which rights are given up and what is left. Each wall is put up as far as the
//! kernel has it, and named in the log; none is needed for the others.

use std::collections::BTreeMap;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus,
    Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use crate::limits::Limits;

/// What the process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Runs plugins as long as the host lives.
    Run,
    /// Compiles one component and ends.
    Compile,
}

/// Gives up every right the work does not need, for the whole process and for good; only the
/// system calls stay until [`filter`].
///
/// Must be called before other threads exist (these walls stand around the thread that builds them
/// and those it starts), and after every file that is needed is open. Returns one line for each
/// wall: what stands, or why not.
pub(crate) fn build(work: Work, limits: &Limits) -> Vec<String> {
    vec![
        line("resource limits", limit_resources(work, limits)),
        line(
            "no new privileges",
            rustix::thread::set_no_new_privs(true).map(|()| "on".into()),
        ),
        line(
            "not dumpable",
            set_dumpable_behavior(DumpableBehavior::NotDumpable).map(|()| "on".into()),
        ),
        line("landlock", shut_files_and_network()),
    ]
}

/// The last wall, around all threads that exist: only what computing needs of the system is left.
/// It comes last because starting an async runtime takes calls that running one does not.
pub(crate) fn filter() -> String {
    line("seccomp", filter_system_calls())
}

fn line<E: std::fmt::Display>(wall: &str, built: Result<String, E>) -> String {
    match built {
        Ok(how) => format!("{wall}: {how}"),
        Err(error) => format!("{wall}: off ({error})"),
    }
}

fn limit_resources(work: Work, limits: &Limits) -> rustix::io::Result<String> {
    let cap = |resource, most: u64| {
        // A hard limit that is lower already is kept: raising it would fail, and with it all the
        // walls after it.
        let hard = rustix::process::getrlimit(resource).maximum;
        let most = hard.map_or(most, |hard| hard.min(most));
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit)
    };
    // A core file would hold whatever the process was working on.
    cap(Resource::Core, 0)?;
    // The pipe, the log, the poller, and a memory file for each memory of each component.
    cap(Resource::Nofile, 4_096)?;
    cap(Resource::Fsize, 256 << 20)?;
    match work {
        // Not the address space: the pool reserves terabytes of it and uses little. What is
        // written to counts here.
        Work::Run => cap(Resource::Data, 4 << 30)?,
        Work::Compile => {
            cap(Resource::As, limits.compile_bytes)?;
            // All cores together; the host's own clock bounds the wait.
            cap(Resource::Cpu, u64::from(limits.compile_seconds.max(1)) * 2)?;
            // Logins come first.
            let _ = rustix::process::nice(19);
        }
    }
    Ok("on".into())
}

/// No path can be opened and no port reached: nothing is allowed by any rule.
fn shut_files_and_network() -> Result<String, landlock::RulesetError> {
    // The newest rights this build knows, as many of them as the kernel has.
    let abi = ABI::V6;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => "on".into(),
        RulesetStatus::PartiallyEnforced => "on, as far as this kernel has it".into(),
        RulesetStatus::NotEnforced => "off (this kernel has none)".into(),
    })
}

/// Only the system calls of a process that computes and talks over what is open already. Everything
/// else fails as not permitted: no socket, no connection, no file, no program, no other process.
fn filter_system_calls() -> Result<String, seccompiler::Error> {
    let arch: seccompiler::TargetArch = std::env::consts::ARCH.try_into()?;
    let errno = |number: i32| SeccompAction::Errno(number.unsigned_abs());

    // Threads are made with `clone3`, whose flags a filter cannot read. The C library falls back to
    // `clone`, whose flags it can, if it is told that there is no such call.
    let no_clone3 = SeccompFilter::new(
        BTreeMap::from([(libc::SYS_clone3, vec![])]),
        SeccompAction::Allow,
        errno(libc::ENOSYS),
        arch,
    )?;
    let mut allowed: BTreeMap<i64, Vec<SeccompRule>> =
        PLAIN.iter().map(|&call| (call, vec![])).collect();
    allowed.insert(libc::SYS_clone3, vec![]);
    allowed.insert(
        libc::SYS_clone,
        vec![argument_has(0, libc::CLONE_THREAD as u64)?],
    );
    // Signals and limits for this process only.
    let me = u64::from(std::process::id());
    allowed.insert(libc::SYS_tgkill, vec![argument_is(0, me)?]);
    allowed.insert(libc::SYS_prlimit64, vec![argument_is(0, 0)?]);
    // Flags of what is open, a second descriptor for it, and seals of a memory file. Not the
    // commands that send signals to other processes or hold leases on files.
    let commands = [
        libc::F_GETFD,
        libc::F_SETFD,
        libc::F_GETFL,
        libc::F_SETFL,
        libc::F_DUPFD_CLOEXEC,
        libc::F_ADD_SEALS,
        libc::F_GET_SEALS,
    ];
    let commands = commands.map(|command| argument_is(1, u64::from(command.unsigned_abs())));
    allowed.insert(
        libc::SYS_fcntl,
        commands.into_iter().collect::<Result<_, _>>()?,
    );
    // Ask whether pages were written to, and nothing else of devices.
    const PAGEMAP_SCAN: u64 = 0xc060_6610;
    allowed.insert(
        libc::SYS_ioctl,
        vec![argument_is(1, PAGEMAP_SCAN)?, argument_is(1, FIONBIO)?],
    );
    let only = SeccompFilter::new(allowed, errno(libc::EPERM), SeccompAction::Allow, arch)?;

    for filter in [no_clone3, only] {
        let program: BpfProgram = filter.try_into()?;
        seccompiler::apply_filter_all_threads(&program)?;
    }
    Ok("on".into())
}

/// Switches a socket to non-blocking, as the standard library does it.
const FIONBIO: u64 = 0x5421;

fn argument_is(index: u8, value: u64) -> Result<SeccompRule, seccompiler::Error> {
    let condition = SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}

fn argument_has(index: u8, flag: u64) -> Result<SeccompRule, seccompiler::Error> {
    let condition = SeccompCondition::new(
        index,
        SeccompCmpArgLen::Qword,
        SeccompCmpOp::MaskedEq(flag),
        flag,
    )?;
    Ok(SeccompRule::new(vec![condition])?)
}

/// Allowed whatever their arguments are.
const PLAIN: &[i64] = &[
    // What is open already.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_shutdown,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_dup,
    // Waiting.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_ppoll,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_restart_syscall,
    // Memory of its own.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_memfd_create,
    libc::SYS_ftruncate,
    // Threads of its own.
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // `prctl` names threads; it cannot give back what was given up.
    libc::SYS_prctl,
    // Signals: a trap in a guest arrives as one.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // Randomness for hash maps.
    libc::SYS_getrandom,
    libc::SYS_uname,
    // The second filter is installed under the first.
    libc::SYS_seccomp,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_arch_prctl,
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rustix::io::Errno;
    use rustix::process::{dumpable_behavior, getppid, getrlimit, test_kill_process};
    use std::fs::File;
    use std::io::{self, ErrorKind};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::process::Command;

    const TEST: &str = "walls::tests::behind_the_walls_nothing_is_opened_reached_started_or_ended";
    const INSIDE: &str = "POSTERN_TEST_BEHIND_WALLS";
    /// How a test program ends neither when its tests pass nor when one fails.
    const DONE: i32 = 42;

    /// P-31: what code that got out of the sandbox would find. Two walls hold off much the same, so each is tried
    /// without the other as well. Walls stand for good, so they are built in processes of their own: this test,
    /// started once more for each.
    #[test]
    fn behind_the_walls_nothing_is_opened_reached_started_or_ended() {
        if let Ok(walls) = std::env::var(INSIDE) {
            knock_at(&walls);
            std::process::exit(DONE);
        }
        for walls in ["all", "landlock", "seccomp"] {
            let inside = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", TEST])
                .env(INSIDE, walls)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&inside.stdout);
            assert_eq!(inside.status.code(), Some(DONE), "{walls}: {said}");
        }
    }

    fn knock_at(walls: &str) {
        let program = std::env::current_exe().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let parent = getppid().unwrap();
        // All of it can be done before.
        drop(File::open(&program).unwrap());
        drop(TcpStream::connect(address).unwrap());
        drop(UdpSocket::bind("127.0.0.1:0").unwrap());
        test_kill_process(parent).unwrap();

        let landlock = match walls {
            "seccomp" => None,
            "landlock" => Some(line("landlock", shut_files_and_network())),
            _ => Some(build_all()),
        };
        // What landlock holds off, where the kernel has all of it.
        if landlock.is_some_and(|built| built == "landlock: on") {
            denied("a file", File::open(&program));
            denied("a port", TcpStream::connect(address));
            denied("a program", Command::new(&program).arg("--list").spawn());
            assert_eq!(test_kill_process(parent), Err(Errno::PERM));
        }
        if walls == "landlock" {
            return;
        }

        assert_eq!(filter(), "seccomp: on");
        denied("a file", File::open(&program));
        denied("a port", TcpStream::connect(address));
        denied("a socket", UdpSocket::bind("127.0.0.1:0"));
        denied("a program", Command::new(&program).arg("--list").spawn());
        assert_eq!(test_kill_process(parent), Err(Errno::PERM));
    }

    /// Everything but the filter. What is said of landlock?
    fn build_all() -> String {
        let walls = build(Work::Run, &Limits::default());
        for wall in [
            "resource limits: on",
            "no new privileges: on",
            "not dumpable: on",
        ] {
            assert!(walls.iter().any(|built| built == wall), "{walls:?}");
        }
        for (resource, most) in [
            (Resource::Core, 0),
            (Resource::Nofile, 4_096),
            (Resource::Fsize, 256 << 20),
            (Resource::Data, 4 << 30),
        ] {
            let hard = getrlimit(resource).maximum;
            assert!(hard.is_some_and(|hard| hard <= most), "{hard:?}");
        }
        assert!(rustix::thread::no_new_privs().unwrap());
        assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
        let landlock = walls.iter().find(|built| built.starts_with("landlock: "));
        landlock.cloned().unwrap()
    }

    fn denied<T>(what: &str, outcome: io::Result<T>) {
        let kind = outcome.err().map(|error| error.kind());
        assert_eq!(kind, Some(ErrorKind::PermissionDenied), "{what}");
    }
}
