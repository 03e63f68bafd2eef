//! What the desktop program is started with.

use std::{ffi::OsString, path::PathBuf};

/// The scheme of the links that open the app.
pub const SCHEME: &str = "hutong:";

/// The arguments, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// `--profile DIR`: where everything is kept that this app keeps, apart from the usual one's.
    pub profile: Option<PathBuf>,
    /// A link to open, unchecked. What follows it is passed over.
    pub link: Option<String>,
}

impl Arguments {
    /// Reads arguments, without the program's own name. What it does not know it passes over: toolkits and systems have
    /// arguments of their own.
    ///
    /// # Errors
    ///
    /// [`NoDirectory`] where `--profile` names none.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, NoDirectory> {
        let mut read = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let text = argument.to_str().unwrap_or_default();
            if text == "--profile" {
                read.profile = Some(directory(arguments.next())?);
            } else if let Some(path) = text.strip_prefix("--profile=") {
                read.profile = Some(directory(Some(path.into()))?);
            } else if is_link(text) {
                read.link = Some(text.to_owned());
                // Windows puts a link into a command line as text: what a quotation mark in it lets follow is the link's, and not the
                // person's.
                break;
            } else if argument.as_encoded_bytes().starts_with(b"--profile=") {
                // One that is not text: another profile than the one that was meant is worse than none.
                return Err(NoDirectory);
            } else {
                tracing::warn!("an argument is not known, and passed over");
            }
        }
        Ok(read)
    }
}

/// `--profile` came without a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--profile wants a directory: --profile DIR")]
pub struct NoDirectory;

fn directory(named: Option<OsString>) -> Result<PathBuf, NoDirectory> {
    named.filter(|path| !path.is_empty()).map(PathBuf::from).ok_or(NoDirectory)
}

fn is_link(text: &str) -> bool {
    text.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Arguments, NoDirectory> {
        Arguments::read(arguments.iter().map(OsString::from))
    }

    #[test]
    fn a_profile_comes_before_a_link_and_the_rest_is_passed_over() {
        let both = Arguments { profile: Some("/a b".into()), link: Some("hutong://call/Ana".into()) };
        for arguments in [
            &["--profile", "/a b", "hutong://call/Ana"][..],
            &["--profile=/a b", "hutong://call/Ana"],
            &["--other", "--profile", "/x", "--profile", "/a b", "-psn_0_1", "hutong://call/Ana"],
            &["--profile", "/a b", "hutong://call/Ana", "--profile=//evil/share", "hutong://call/Bo"],
        ] {
            assert_eq!(read(arguments).as_ref(), Ok(&both), "{arguments:?}");
        }
        assert_eq!(read(&[]), Ok(Arguments::default()));
        let shouted = read(&["HUTONG://call/Ana"]).unwrap();
        assert_eq!(shouted.link.as_deref(), Some("HUTONG://call/Ana"));
        assert_eq!(read(&["https://calls.example", "互通:"]), Ok(Arguments::default()));
    }

    #[test]
    fn a_profile_without_a_directory_is_an_error() {
        for arguments in [&["--profile"][..], &["--profile="], &["--profile", ""]] {
            assert_eq!(read(arguments), Err(NoDirectory), "{arguments:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_profile_need_not_be_text() {
        use std::os::unix::ffi::OsStringExt;
        let name = OsString::from_vec(vec![b'/', 0xff]);
        let read = Arguments::read(["--profile".into(), name.clone()]).unwrap();
        assert_eq!(read.profile, Some(name.into()));
        let glued = OsString::from_vec(b"--profile=/\xff".to_vec());
        assert_eq!(Arguments::read([glued]), Err(NoDirectory));
    }
}
