//! What the app was started with: profile and link, from arguments and environment.

use std::{ffi::OsString, io, path::PathBuf};

use crate::{
    arguments::{Arguments, NoDirectory},
    profile::Profile,
};

/// The variable that names a profile's directory where no argument does.
const DIRECTORY: &str = "HUTONG_DATA_DIR";

/// Profile and link of this start.
#[derive(Debug, Default)]
pub struct LaunchContext {
    profile: Option<Profile>,
    link: Option<String>,
}

/// Why arguments and environment are refused.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// `--profile` came without a directory.
    #[error(transparent)]
    Arguments(#[from] NoDirectory),
    /// There can be no profile in this directory.
    #[error("{}: {source}", .directory.display())]
    Profile {
        /// The directory, as it was named.
        directory: PathBuf,
        /// The disk's answer.
        source: io::Error,
    },
}

impl LaunchContext {
    /// Reads arguments and environment of this process. A phone's system passes neither.
    ///
    /// # Errors
    ///
    /// When the arguments cannot be read, or there can be no profile in the directory that they name.
    pub fn read() -> Result<Self, LaunchError> {
        if cfg!(mobile) {
            return Ok(Self::default());
        }
        Self::of(std::env::args_os().skip(1), std::env::var_os(DIRECTORY))
    }

    /// Reads these arguments, without the program's own name. The directory counts where `--profile` names none.
    fn of(arguments: impl IntoIterator<Item = OsString>, directory: Option<OsString>) -> Result<Self, LaunchError> {
        let Arguments { profile, link } = Arguments::read(arguments)?;
        let profile = profile
            .or_else(|| directory.map(PathBuf::from))
            .map(|directory| Profile::within(&directory).map_err(|source| LaunchError::Profile { directory, source }));
        Ok(Self { profile: profile.transpose()?, link })
    }

    /// The profile; `None` for the default one, whose directory is the system's choice.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_ref()
    }

    /// The link to open, unchecked.
    #[must_use]
    pub fn link(&self) -> Option<&str> {
        self.link.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn directory(launch: &LaunchContext) -> Option<&Path> {
        launch.profile().map(Profile::directory)
    }

    #[test]
    fn the_argument_names_the_profile_before_the_environment_does() {
        let root = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| root.path().canonicalize().unwrap().join(name));
        let link = "hutong://call/Ana";
        let both = [format!("--profile={}", one.display()), link.to_owned()].map(OsString::from);
        let launch = LaunchContext::of(both, Some(other.clone().into())).unwrap();
        assert_eq!((directory(&launch), launch.link()), (Some(&*one), Some(link)));
        let launch = LaunchContext::of([], Some(other.clone().into())).unwrap();
        assert_eq!((directory(&launch), launch.link()), (Some(&*other), None));
        assert_eq!(directory(&LaunchContext::of([], None).unwrap()), None);
    }

    #[test]
    fn a_profile_that_cannot_be_is_an_error_with_its_directory() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = LaunchContext::of([], Some(file.clone().into())).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}: ", file.display())), "{error}");
        let error = LaunchContext::of(["--profile".into()], None).unwrap_err();
        assert!(matches!(error, LaunchError::Arguments(NoDirectory)));
    }
}
