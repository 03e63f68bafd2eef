//! The files of the web app: named by content, filled into the page, compressed, and written only when they change.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// Files to write, by path below the output directory (with `/`).
pub type Files = BTreeMap<String, Vec<u8>>;

/// Endings of files that get smaller; the rest are compressed already.
const COMPRESSIBLE: [&str; 9] = ["html", "js", "css", "wasm", "svg", "json", "webmanifest", "txt", "ico"];

/// Below this a compressed twin saves nothing: the reply fits into one packet either way.
const COMPRESS_FROM: usize = 1024;

/// `style.css` becomes `style-0123456789abcdef.css`: whoever has a file by its name has its newest content.
pub fn hashed_name(name: &str, content: &[u8]) -> String {
    let hash = hex::encode(&Sha256::digest(content)[..8]);
    match name.rsplit_once('.') {
        Some((stem, ending)) => format!("{stem}-{hash}.{ending}"),
        None => format!("{name}-{hash}"),
    }
}

/// Replaces each `{{name}}` of a template by what `value` gives for it; an unknown name is an error.
pub fn fill(template: &str, mut value: impl FnMut(&str) -> Option<String>) -> Result<String> {
    let mut page = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").context("the page has a {{ without its }}")?;
        let name = name.trim();
        let Some(value) = value(name) else { bail!("the page asks for {{{{{name}}}}}, which does not exist") };
        page.push_str(before);
        page.push_str(&value);
        rest = after;
    }
    page.push_str(rest);
    Ok(page)
}

/// Adds a `.br` and a `.gz` beside every file that gets smaller by it.
pub fn compress(files: &mut Files) -> Result<()> {
    let mut twins = Files::new();
    for (name, content) in files.iter().filter(|(name, content)| is_compressible(name, content)) {
        for (ending, packed) in [("br", brotli(content)?), ("gz", gzip(content)?)] {
            if packed.len() < content.len() {
                twins.insert(format!("{name}.{ending}"), packed);
            }
        }
    }
    files.append(&mut twins);
    Ok(())
}

/// Makes `dir` hold exactly `files`, touching only what differs, so that nothing is rebuilt without a reason.
/// Tells how many files changed.
pub fn write(dir: &Path, files: &Files) -> Result<usize> {
    let mut changed = 0;
    for (name, content) in files {
        let path = dir.join(name);
        if fs::read(&path).is_ok_and(|old| old == *content) {
            continue;
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        changed += 1;
    }
    for name in read_names(dir)? {
        if !files.contains_key(&name) {
            fs::remove_file(dir.join(&name))?;
            changed += 1;
        }
    }
    Ok(changed)
}

/// Every file below `dir` with its content.
pub fn read(dir: &Path) -> Result<Files> {
    let names = read_names(dir)?;
    names.into_iter().map(|name| Ok((name.clone(), fs::read(dir.join(&name))?))).collect()
}

fn read_names(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    if !dir.is_dir() {
        return Ok(names);
    }
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            names.extend(read_names(&entry.path())?.into_iter().map(|below| format!("{name}/{below}")));
        } else {
            names.push(name);
        }
    }
    Ok(names)
}

fn is_compressible(name: &str, content: &[u8]) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    content.len() >= COMPRESS_FROM && COMPRESSIBLE.contains(&ending)
}

fn brotli(content: &[u8]) -> Result<Vec<u8>> {
    let mut packed = Vec::new();
    let params = ::brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, ..Default::default() };
    ::brotli::BrotliCompress(&mut &content[..], &mut packed, &params)?;
    Ok(packed)
}

fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(content)?;
    Ok(packer.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_follows_the_content() {
        let one = hashed_name("style.css", b"a");
        assert_eq!(one, hashed_name("style.css", b"a"));
        assert_ne!(one, hashed_name("style.css", b"b"));
        assert_eq!(one, "style-ca978112ca1bbdca.css");
        assert_eq!(hashed_name("LICENSE", b"a"), "LICENSE-ca978112ca1bbdca");
    }

    #[test]
    fn placeholders_are_filled_and_unknown_ones_refused() {
        let value = |name: &str| (name == "x").then(|| "1".to_owned());
        assert_eq!(fill("a{{x}}b{{ x }}c", value).unwrap(), "a1b1c");
        assert!(fill("{{y}}", value).unwrap_err().to_string().contains("{{y}}"));
        assert!(fill("{{x", value).is_err());
    }

    #[test]
    fn what_is_compressed_unpacks_to_the_same() {
        let content = "hutong ".repeat(1000).into_bytes();
        let mut files = Files::from([("a.js".to_owned(), content.clone()), ("b.png".to_owned(), content.clone())]);
        compress(&mut files).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["a.js", "a.js.br", "a.js.gz", "b.png"]);
        let mut unpacked = Vec::new();
        ::brotli::BrotliDecompress(&mut &files["a.js.br"][..], &mut unpacked).unwrap();
        assert_eq!(unpacked, content);
    }

    #[test]
    fn only_what_changed_is_written_and_the_rest_of_the_directory_is_cleared() {
        let dir = std::env::temp_dir().join(format!("xtask-assets-{}", std::process::id()));
        let files = Files::from([("a/b.js".to_owned(), b"1".to_vec()), ("c.css".to_owned(), b"2".to_vec())]);
        assert_eq!(write(&dir, &files).unwrap(), 2);
        assert_eq!(write(&dir, &files).unwrap(), 0);
        let fewer = Files::from([("c.css".to_owned(), b"3".to_vec())]);
        assert_eq!(write(&dir, &fewer).unwrap(), 2);
        assert_eq!(read(&dir).unwrap(), fewer);
        fs::remove_dir_all(&dir).unwrap();
    }
}
