//! `SELinux` labels: new files get the label of what they replace.
//!
//! Without this, a label that somebody gave by hand or with `restorecon` would last until the next renewal only.

use std::io;
use std::path::Path;

use rustix::fs::{XattrFlags, lgetxattr, lsetxattr};
use rustix::io::Errno;

const NAME: &str = "security.selinux";
/// There while the kernel enforces or at least watches labels.
const SELINUX: &str = "/sys/fs/selinux/enforce";

/// The label of a file that is there, if it has one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Label(Option<Vec<u8>>);

impl Label {
    /// Of the file itself, not of what it leads to. What cannot be read is no label.
    pub(super) fn of(path: &Path) -> Self {
        let mut bytes = vec![0; 4096];
        let size = lgetxattr(path, NAME, &mut bytes[..]).ok();
        Self(size.map(|size| bytes[..size].to_vec()))
    }

    /// Gives it to another file.
    pub(super) fn set(&self, path: &Path) -> io::Result<()> {
        let Some(label) = &self.0 else { return Ok(()) };
        let set = lsetxattr(path, NAME, label, XattrFlags::empty());
        judge(set, Path::new(SELINUX).exists()).map_err(|errno| {
            let label = String::from_utf8_lossy(label);
            let label = label.trim_end_matches('\0');
            io::Error::new(
                io::Error::from(errno).kind(),
                format!("its SELinux label {label} cannot be set: {}", io::Error::from(errno)),
            )
        })
    }
}

/// Labels that nobody looks at may stay behind: then only root may set them, and it does not matter.
const fn judge(set: Result<(), Errno>, selinux: bool) -> Result<(), Errno> {
    match set {
        Err(_) if !selinux => Ok(()),
        set => set,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_that_cannot_be_set_matters_only_where_labels_do() {
        for (set, selinux, want) in [
            (Ok(()), true, Ok(())),
            (Ok(()), false, Ok(())),
            (Err(Errno::PERM), false, Ok(())),
            (Err(Errno::NOTSUP), false, Ok(())),
            (Err(Errno::PERM), true, Err(Errno::PERM)),
            (Err(Errno::INVAL), true, Err(Errno::INVAL)),
        ] {
            assert_eq!(judge(set, selinux), want, "{set:?} {selinux}");
        }
    }

    #[test]
    fn what_has_no_label_gives_none() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(Label::of(&dir.path().join("nothing")), Label::default());
        Label::default().set(dir.path()).expect("nothing to do");
    }
}
