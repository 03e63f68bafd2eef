//! Files of the web app: content hashes in names, page template, compression, and writing of changed files only.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// File contents by path relative to the output directory, with `/` as separator.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Extensions of files to compress; other formats are compressed already.
const COMPRESSIBLE: [&str; 9] = ["html", "js", "css", "wasm", "svg", "json", "webmanifest", "txt", "ico"];

/// Least size to compress, in bytes: a smaller response fits into one packet anyway.
const MIN_COMPRESSED_SIZE: usize = 1024;

/// Adds a content hash to a name: `style.css` becomes `style-0123456789abcdef.css`, so that browsers may cache it forever.
pub fn hashed_name(name: &str, content: &[u8]) -> String {
    let hash = hex::encode(&Sha256::digest(content)[..8]);
    match name.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem}-{hash}.{extension}"),
        None => format!("{name}-{hash}"),
    }
}

/// Replaces each `{{name}}` in a template by `value(name)`.
///
/// # Errors
///
/// `value` returns `None`, or a placeholder has no end.
pub fn fill(template: &str, mut value: impl FnMut(&str) -> Option<String>) -> Result<String> {
    let mut page = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").context("the page has a placeholder without closing }}")?;
        let name = name.trim();
        let Some(value) = value(name) else { bail!("the page has the unknown placeholder {{{{{name}}}}}") };
        page.push_str(before);
        page.push_str(&value);
        rest = after;
    }
    page.push_str(rest);
    Ok(page)
}

/// Adds the `.br` and `.gz` version of each file that compression makes smaller.
pub fn compress(files: &mut Files) -> Result<()> {
    let mut compressed = Files::new();
    for (name, content) in files.iter().filter(|(name, content)| is_compressible(name, content)) {
        for (extension, packed) in [("br", brotli(content)?), ("gz", gzip(content)?)] {
            if packed.len() < content.len() {
                compressed.insert(format!("{name}.{extension}"), packed);
            }
        }
    }
    files.append(&mut compressed);
    Ok(())
}

/// Makes `dir` contain exactly `files`, and returns the number of changes. Does not touch equal files, so that cargo does not rebuild
/// what embeds them.
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

/// Reads all files below `dir`.
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
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    content.len() >= MIN_COMPRESSED_SIZE && COMPRESSIBLE.contains(&extension)
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
    fn a_hashed_name_depends_on_the_content() {
        let one = hashed_name("style.css", b"a");
        assert_eq!(one, hashed_name("style.css", b"a"));
        assert_ne!(one, hashed_name("style.css", b"b"));
        assert_eq!(one, "style-ca978112ca1bbdca.css");
        assert_eq!(hashed_name("LICENSE", b"a"), "LICENSE-ca978112ca1bbdca");
    }

    #[test]
    fn placeholders_are_filled_and_unknown_ones_rejected() {
        let value = |name: &str| (name == "x").then(|| "1".to_owned());
        assert_eq!(fill("a{{x}}b{{ x }}c", value).unwrap(), "a1b1c");
        assert!(fill("{{y}}", value).unwrap_err().to_string().contains("{{y}}"));
        assert!(fill("{{x", value).is_err());
    }

    #[test]
    fn compressed_files_decompress_to_the_original() {
        let content = "hutong ".repeat(1000).into_bytes();
        let mut files = Files::from([("a.js".to_owned(), content.clone()), ("b.png".to_owned(), content.clone())]);
        compress(&mut files).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["a.js", "a.js.br", "a.js.gz", "b.png"]);
        let mut unpacked = Vec::new();
        ::brotli::BrotliDecompress(&mut &files["a.js.br"][..], &mut unpacked).unwrap();
        assert_eq!(unpacked, content);
    }

    #[test]
    fn only_changed_files_are_written_and_other_files_are_removed() {
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
