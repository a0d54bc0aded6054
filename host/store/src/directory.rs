//! The audit directory: made private, refused when others may write to it. File names are `segment`'s.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use crate::AuditError;

/// Makes the directory (mode 0700, parents too) or checks the one that is there.
pub(crate) fn prepare(path: &Path) -> Result<(), AuditError> {
    let failed =
        |source: io::Error| AuditError::Directory { path: path.to_owned(), source: Arc::new(source) };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o022 != 0 {
        return Err(AuditError::Shared { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_directory_others_may_write_to_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let check = |mode: u32, refused: bool| {
            let path = parent.path().join(format!("{mode:o}"));
            std::fs::create_dir(&path).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            assert_eq!(matches!(prepare(&path), Err(AuditError::Shared { .. })), refused, "{mode:o}");
        };
        check(0o700, false);
        check(0o755, false);
        check(0o770, true);
        check(0o777, true);
    }

    #[test]
    fn a_new_directory_is_private() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        prepare(&path).unwrap();
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_file_in_the_way_is_an_error() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("file");
        std::fs::write(&path, "").unwrap();
        assert!(matches!(prepare(&path), Err(AuditError::Directory { .. })));
    }
}
