//! Desktop entries that start the app (Desktop Entry Specification).

use std::{io, path::PathBuf};

/// The program that a desktop entry starts: the `AppImage`, if the app runs from one.
///
/// # Errors
///
/// When the operating system does not know the program's path.
pub fn program() -> io::Result<PathBuf> {
    std::env::var_os("APPIMAGE").map_or_else(std::env::current_exe, |image| Ok(image.into()))
}

/// Quotes an argument for the `Exec` key (Desktop Entry Specification).
///
/// A backslash escapes characters that are special in shells;
/// the escapes of the string type double it. A literal percent sign is doubled, because a single one starts a field code.
#[must_use]
pub fn quoted_for_exec(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '\\' => quoted.push_str("\\\\\\\\"),
            '"' | '`' | '$' => {
                quoted.push_str("\\\\");
                quoted.push(c);
            }
            '%' => quoted.push_str("%%"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_quoted_as_one_exec_argument() {
        for (path, expected) in [
            ("/home/ana/two words", r#""/home/ana/two words""#),
            ("/home/ana/小明", r#""/home/ana/小明""#),
            ("/a$b`c\"d", r#""/a\\$b\\`c\\"d""#),
            ("/a\\b", r#""/a\\\\b""#),
            ("/100%u", r#""/100%%u""#),
        ] {
            assert_eq!(quoted_for_exec(path), expected);
        }
    }
}
