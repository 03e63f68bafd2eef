//! Puts the web app into the binary: writes `web_app.rs`, a table of the files in `ui/dist`, for `src/web.rs` to include.
//!
//! The files are found by the variable `HUTONG_UI_DIST`, or at their place in the workspace. Without them the table is empty,
//! and the server shows a page that says how to build them.

use std::{
    env,
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-env-changed=HUTONG_UI_DIST");
    println!("cargo::rerun-if-changed=build.rs");
    let dist = match env::var_os("HUTONG_UI_DIST") {
        Some(dist) => PathBuf::from(dist),
        None => Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../ui/dist"),
    };
    // Cargo runs a build script each time when a path to watch is missing.
    fs::create_dir_all(&dist)?;
    let dist = dist.canonicalize()?;
    println!("cargo::rerun-if-changed={}", dist.display());

    let mut files = Vec::new();
    // An app without its page is a build that was interrupted.
    if dist.join("index.html").is_file() {
        list(&dist, &mut files)?;
    }
    files.sort();
    let mut table = String::from("static FILES: &[File] = &[\n");
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
            "File {{ path: {path:?}, mime: {:?}, hashed: {}, tag: \"{:016x}\", plain: include_bytes!({file:?}), \
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

fn list(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn is_compressed(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == "br" || ending == "gz")
}

/// Whether the bundler has put a hash into the name: a part of eight or more hexadecimal digits.
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

/// Tells one content from another; nobody has to be kept from forging it.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
