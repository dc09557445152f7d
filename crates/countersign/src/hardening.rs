//! What the process asks of the operating system before anything else.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// No core dumps (keys lie in memory), and as many open files as we may have (each connection is one).
///
/// Best effort: where the system refuses, the server still runs.
pub(crate) fn apply() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    {
        // A core pattern that pipes to a program ignores the limit; this does not.
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
    let files = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum });
}
