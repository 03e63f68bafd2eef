//! Embeds the web app for browsers: generates `web_app.rs`, a table of the files in `ui/dist`, which `src/web.rs` includes.
//!
//! The variable `HUTONG_UI_DIST` overrides the directory. Without files the table is empty, and the server serves a page that
//! explains how to build the web app.

use std::{
    env,
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-env-changed=HUTONG_UI_DIST");
    println!("cargo::rerun-if-changed=build.rs");
    // The default is relative, as Cargo runs this in the package's directory: with an absolute path, clones that share a target
    // directory would embed the web app of the clone that built first.
    let dist = env::var_os("HUTONG_UI_DIST").map_or_else(|| PathBuf::from("../../ui/dist"), PathBuf::from);
    // Cargo reruns the build script on each build if a watched path does not exist.
    fs::create_dir_all(&dist)?;
    println!("cargo::rerun-if-changed={}", dist.display());
    let dist = dist.canonicalize()?;

    let mut files = Vec::new();
    // Without index.html, the build of the web app was interrupted.
    if dist.join("index.html").is_file() {
        list_files(&dist, &mut files)?;
    }
    files.sort();
    let mut table = String::from("static FILES: &[WebAppFile] = &[\n");
    for file in files.iter().filter(|file| !is_compressed(file)) {
        let path = file.strip_prefix(&dist)?.to_string_lossy().replace('\\', "/");
        let compressed = |ending: &str| -> String {
            let mut name = file.clone().into_os_string();
            name.push(ending);
            let name = PathBuf::from(name);
            if files.contains(&name) { format!("Some(include_bytes!({name:?}))") } else { "None".into() }
        };
        writeln!(
            table,
            "WebAppFile {{ path: {path:?}, mime: {:?}, hashed: {}, tag: \"{:016x}\", plain: include_bytes!({file:?}), \
             brotli: {}, gzip: {} }},",
            mime(&path),
            is_hashed(&path),
            fnv1a(&fs::read(file)?),
            compressed(".br"),
            compressed(".gz"),
        )?;
    }
    table.push_str("];\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("web_app.rs"), table)?;
    Ok(())
}

fn list_files(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            list_files(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn is_compressed(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == "br" || ending == "gz")
}

/// Whether the file name contains a content hash of the bundler: a part of eight or more hexadecimal digits.
fn is_hashed(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split(['-', '.', '_']).any(|part| part.len() >= 8 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn mime(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "wasm" => "application/wasm",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "wav" => "audio/wav",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// FNV-1a hash for entity tags. Not cryptographic: nobody gains anything from a collision.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
