//! Apple's `.strings` files: `"key" = "text";`, with comments between.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

/// Reads all pairs.
///
/// # Errors
///
/// Where it is not such a file, or names a key twice: Xcode takes either of them.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    let mut rest = skip(text)?;
    while !rest.is_empty() {
        let (key, after) = word(rest)?;
        let after = expect(after, '=').with_context(|| format!("after {key}"))?;
        let (value, after) = word(after)?;
        rest = skip(expect(after, ';').with_context(|| format!("after the text of {key}"))?)?;
        ensure!(pairs.insert(key.clone(), value).is_none(), "{key} is there twice");
    }
    Ok(pairs)
}

/// What comes after white space and comments.
fn skip(text: &str) -> Result<&str> {
    let mut rest = text.trim_start();
    loop {
        let after = if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").context("a comment does not end")?.1
        } else if let Some(comment) = rest.strip_prefix("//") {
            comment.split_once('\n').map_or("", |(_, after)| after)
        } else {
            return Ok(rest);
        };
        rest = after.trim_start();
    }
}

fn expect(text: &str, sign: char) -> Result<&str> {
    skip(text)?.strip_prefix(sign).with_context(|| format!("a {sign} is missing"))
}

/// A quoted text, or a key of letters, digits, `.`, `_` and `-`; and what comes after it.
fn word(text: &str) -> Result<(String, &str)> {
    let text = skip(text)?;
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c)).unwrap_or(text.len());
        ensure!(end > 0, "neither a key nor a text: {}", text.lines().next().unwrap_or_default());
        return Ok((text[..end].to_owned(), &text[end..]));
    };
    let mut word = String::new();
    let mut signs = quoted.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '"' => return Ok((word, &quoted[at + 1..])),
            '\\' => match signs.next() {
                Some((_, 'n')) => word.push('\n'),
                Some((_, sign @ ('"' | '\\'))) => word.push(sign),
                other => bail!("an unknown escape: \\{}", other.map_or(' ', |(_, sign)| sign)),
            },
            sign => word.push(sign),
        }
    }
    bail!("a text does not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_between_comments() {
        let text = "/* For = whom; */\n\"A\" = \"one \\\"two\\\"\";\n// later\nB.c = \"二\" ;\n";
        let pairs = parse(text).unwrap();
        assert_eq!(pairs.len(), 2);
        assert_eq!((&*pairs["A"], &*pairs["B.c"]), ("one \"two\"", "二"));
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn what_is_broken_is_told() {
        for (text, told) in [
            ("\"A\" = \"one\"", "a ; is missing"),
            ("\"A\" \"one\";", "a = is missing"),
            ("\"A\" = \"one;", "does not end"),
            ("/* \"A\" = \"one\";", "does not end"),
            ("\"A\" = \"one\";\nA = \"two\";", "there twice"),
            ("<plist>", "neither a key"),
            ("\"A\" = \"\\q\";", "unknown escape"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
