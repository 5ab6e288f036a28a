//! What an error of the server means to a program, and whether the server is gone.

use interfaces::FsError;
use linux_abi::Errno;

/// Whether an error says that the server is not the one that was called before: it died, was started anew, or moved.
/// The call is repeated once the next incarnation is up to date.
pub(crate) const fn is_lost(error: FsError) -> bool {
    match error {
        FsError::NotBegun | FsError::NoRegion | FsError::Retired => true,
        FsError::Call(failure) => matches!(failure, ipc::Failure::Kernel(_) | ipc::Failure::Abandoned),
        _ => false,
    }
}

/// The error number that a program gets.
pub(crate) const fn errno(error: FsError) -> Errno {
    match error {
        FsError::NotFound => Errno::ENOENT,
        FsError::Exists => Errno::EEXIST,
        FsError::NotDirectory => Errno::ENOTDIR,
        FsError::IsDirectory => Errno::EISDIR,
        FsError::NotEmpty => Errno::ENOTEMPTY,
        FsError::NoSpace => Errno::ENOSPC,
        FsError::TooLarge => Errno::EFBIG,
        FsError::TooManyLinks => Errno::EMLINK,
        FsError::NameTooLong => Errno::ENAMETOOLONG,
        FsError::Invalid | FsError::Loop => Errno::EINVAL,
        FsError::ReadOnly => Errno::EROFS,
        FsError::Corrupt => Errno::EUCLEAN,
        FsError::Unsupported => Errno::EOPNOTSUPP,
        _ => Errno::EIO,
    }
}
