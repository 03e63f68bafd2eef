//! Build of the web app: from Rust to the files that the server and the app embed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;
use xtask::exec::status;
use xtask::lockfile;
use xtask::project::Project;
use xtask::toolchain::{self, TARGET, WasmToolchain};
use xtask::tools;

use crate::assets::{self, Files};

/// Name of the package and of its program.
const NAME: &str = "hutong-ui";

/// Package of the audio worklet.
const VOICE: &str = "hutong-voice";
/// Name of its wasm file in the web app.
const VOICE_WASM: &str = "voice.wasm";

/// Script that every page loads at its start, although not by a tag.
const LOADED_AT_START: &str = "timer-worker";

/// wasm features that rustc enables by default, and SIMD for the audio worklet. `wasm-opt` rejects code with other features.
const WASM_FEATURES: [&str; 9] = [
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-call-indirect-overlong",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
    "--enable-simd",
];

/// Options of a build of the web app.
#[derive(Debug, Clone)]
pub struct WebAppOptions {
    /// Small and precompressed, instead of fast to build and with symbols.
    pub release: bool,
    /// Output directory.
    pub out: PathBuf,
}

/// Builds the web app into `options.out`.
pub fn build(project: &Project, toolchain: &WasmToolchain, options: &WebAppOptions) -> Result<()> {
    let started = Instant::now();
    lockfile::wasm_bindgen_version(&project.root)?;
    let wasm = compile(project, toolchain, options.release)?;
    let voice = compile_voice(project, toolchain)?;
    let mut app = run_wasm_bindgen(project, &wasm, options.release)?;
    let mut voice = fs::read(&voice).with_context(|| format!("cannot read {}", voice.display()))?;
    if options.release {
        let name = format!("{NAME}_bg.wasm");
        if let Some(wasm) = app.get_mut(&name) {
            // rustc has optimized for size already. -Oz makes the wasm 5 % smaller, but the compressed wasm larger.
            *wasm = optimize(project, wasm, "-O1")?;
        }
        if let Some(js) = app.get_mut(&format!("{NAME}.js")) {
            *js = without_indentation(js);
        }
        voice = optimize(project, &voice, "-O3")?;
    }
    let (mut files, on_demand) = assemble(&project.root.join("ui"), app, &voice)?;
    if options.release {
        assets::compress(&mut files)?;
    }
    let changed = assets::write(&options.out, &files)?;
    print_sizes(&files, &on_demand);
    let out = options.out.strip_prefix(&project.root).unwrap_or(&options.out);
    status(format!("{}: {changed} files changed, {:.1} s", out.display(), started.elapsed().as_secs_f32()));
    Ok(())
}

fn compile(project: &Project, toolchain: &WasmToolchain, release: bool) -> Result<PathBuf> {
    status(format!("compiling the web app to wasm with {}", toolchain.describe()));
    let (profile, dir) = if release { ("wasm", "wasm") } else { ("dev", "debug") };
    toolchain
        .cargo(project)
        .args(["build", "--package", NAME, "--bin", NAME, "--target", TARGET, "--profile", profile])
        .run()?;
    Ok(toolchain::target_dir(project).join(TARGET).join(dir).join(format!("{NAME}.wasm")))
}

/// Runs wasm-bindgen; returns the wasm, its JavaScript bindings and snippets.
fn run_wasm_bindgen(project: &Project, wasm: &Path, release: bool) -> Result<Files> {
    status("wasm-bindgen");
    let dir = toolchain::target_dir(project).join("bindgen");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    let mut bindgen = Bindgen::new();
    bindgen.input_path(wasm).out_name(NAME).typescript(false).omit_default_module_path(true);
    bindgen.remove_name_section(release).remove_producers_section(release).keep_debug(false).web(true)?;
    bindgen.generate(&dir).context("wasm-bindgen failed")?;
    assets::read(&dir)
}

/// Compiles the audio worklet. Always optimized, since audio processing must meet the deadline of each render quantum.
fn compile_voice(project: &Project, toolchain: &WasmToolchain) -> Result<PathBuf> {
    toolchain
        // All webviews of the app support SIMD. WebKit compiles wasm with SIMD ahead of time, but interprets other wasm for the
        // first seconds, ten times as slow.
        .cargo_with_rustflags(project, "-C target-feature=+simd128")
        .args(["rustc", "--package", VOICE, "--lib", "--crate-type", "cdylib", "--target", TARGET, "--profile", "wasm"])
        // Optimized for speed: browsers do not download it, and it runs hundreds of times a second.
        .env("CARGO_PROFILE_WASM_OPT_LEVEL", "3")
        .run()?;
    let name = format!("{}.wasm", VOICE.replace('-', "_"));
    Ok(toolchain::target_dir(project).join(TARGET).join("wasm").join(name))
}

/// Removes the indentation of wasm-bindgen's JavaScript, a tenth of its compressed size. It writes no string over several
/// lines.
fn without_indentation(js: &[u8]) -> Vec<u8> {
    let lines: Vec<_> = js.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_start).collect();
    lines.join(&b'\n')
}

fn optimize(project: &Project, wasm: &[u8], level: &str) -> Result<Vec<u8>> {
    let wasm_opt = tools::wasm_opt(project)?;
    let dir = toolchain::target_dir(project).join("bindgen");
    let (from, to) = (dir.join("unoptimized.wasm"), dir.join("optimized.wasm"));
    fs::write(&from, wasm)?;
    status("wasm-opt");
    wasm_opt
        .args([level, "--strip-debug", "--strip-producers"])
        .args(WASM_FEATURES)
        .arg(&from)
        .arg("-o")
        .arg(&to)
        .run()?;
    Ok(fs::read(&to)?)
}

/// Assembles all files of the web app; returns them, and the names of those that are loaded on demand.
///
/// Placeholders in `ui/index.html`: `{{app}}` becomes the tags that load the app, and `{{name}}` the hashed URL of `static/name`.
/// `{{scripts}}` becomes meta tags with the hashed URLs of the other scripts and of the audio worklet's wasm:
/// `<meta name="hutong-some-worker" content="URL">` for `static/some-worker.js`, and `hutong-voice` for the wasm. Files in `static` that
/// the page does not mention keep their names.
fn assemble(ui: &Path, app: Files, voice: &[u8]) -> Result<(Files, BTreeSet<String>)> {
    let path = ui.join("index.html");
    let template = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    for placeholder in ["{{app}}", "{{scripts}}"] {
        if !template.contains(placeholder) {
            bail!("{} has no placeholder {placeholder}", path.display());
        }
    }
    let mut statics = assets::read(&ui.join("static"))?;
    let mut scripts = Files::from([(VOICE_WASM.to_owned(), voice.to_vec())]);
    scripts.extend(
        statics.extract_if(.., |name, _| name.ends_with(".js") && !template.contains(&format!("{{{{{name}}}}}"))),
    );
    let (scripts, metas) = hash_on_demand_files(scripts);
    let (mut files, tags) = hash_app_files(app)?;
    let mut named = BTreeMap::new();
    let mut mentioned = BTreeSet::new();
    let page = assets::fill(&template, |name| {
        match name {
            "app" => return Some(tags.clone()),
            "scripts" => return Some(metas.clone()),
            _ => {}
        }
        let content = statics.get(name)?;
        let hashed = assets::hashed_name(name, content);
        named.insert(hashed.clone(), content.clone());
        mentioned.insert(name.to_owned());
        Some(hashed)
    })?;
    statics.retain(|name, _| !mentioned.contains(name));
    let on_demand = scripts.keys().filter(|name| !name.starts_with(LOADED_AT_START)).cloned().collect();
    files.extend(statics);
    files.extend(named);
    files.extend(scripts);
    files.insert("index.html".to_owned(), page.into_bytes());
    Ok((files, on_demand))
}

/// Hashes the names of files that are loaded on demand; returns them, and the meta tags with their URLs.
fn hash_on_demand_files(files: Files) -> (Files, String) {
    let mut named = Files::new();
    let mut tags = Vec::new();
    for (name, content) in files {
        let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
        let hashed = assets::hashed_name(&name, &content);
        tags.push(format!("<meta name=\"hutong-{stem}\" content=\"{hashed}\">"));
        named.insert(hashed, content);
    }
    (named, tags.join("\n    "))
}

/// Hashes the names of the app's files; returns them, and the tags that load them.
fn hash_app_files(mut app: Files) -> Result<(Files, String)> {
    let (wasm_name, js_name) = (format!("{NAME}_bg.wasm"), format!("{NAME}.js"));
    let wasm = app.remove(&wasm_name).context("wasm-bindgen wrote no .wasm file")?;
    let js = app.remove(&js_name).context("wasm-bindgen wrote no JavaScript")?;
    let wasm_file = assets::hashed_name(&wasm_name, &wasm);
    let mut js = String::from_utf8(js).context("wasm-bindgen's JavaScript is not UTF-8")?;
    // Started from the file itself, so that the content security policy can forbid inline scripts.
    js.push_str(&format!("\n__wbg_init({{ module_or_path: new URL('{wasm_file}', import.meta.url) }});\n"));
    let js_file = assets::hashed_name(&js_name, js.as_bytes());
    let tags = format!(
        "<link rel=\"preload\" href=\"{wasm_file}\" as=\"fetch\" type=\"application/wasm\" crossorigin>\n    \
         <script type=\"module\" src=\"{js_file}\"></script>"
    );
    app.insert(wasm_file, wasm);
    app.insert(js_file, js.into_bytes());
    Ok((app, tags))
}

/// Prints the size of each file, and the transfer size of a first visit.
fn print_sizes(files: &Files, on_demand: &BTreeSet<String>) {
    let mut transfer = 0;
    for (name, content) in files.iter().filter(|(name, _)| !is_compressed(name)) {
        let compressed = |extension: &str| files.get(&format!("{name}.{extension}")).map(Vec::len);
        let packed = [("br", compressed("br")), ("gz", compressed("gz"))]
            .iter()
            .filter_map(|(extension, size)| size.map(|size| format!("  {extension} {}", kib(size))))
            .collect::<String>();
        println!("{:>10}  {name}{packed}", kib(content.len()));
        let is_loaded = [".html", ".js", ".css", ".wasm"].iter().any(|extension| name.ends_with(extension));
        if is_loaded && !on_demand.contains(name) {
            transfer += compressed("br").unwrap_or(content.len());
        }
    }
    println!("{:>10}  transfer size of page, scripts, wasm and styles", kib(transfer));
}

fn is_compressed(name: &str) -> bool {
    name.ends_with(".br") || name.ends_with(".gz")
}

#[expect(clippy::cast_precision_loss, reason = "file sizes, printed with one decimal")]
fn kib(bytes: usize) -> String {
    format!("{:.1} KiB", bytes as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javascript_loses_its_indentation_and_nothing_else() {
        assert_eq!(without_indentation(b"a {\n    b: ' c',\n\n}\n"), b"a {\nb: ' c',\n\n}\n");
    }

    fn app() -> Files {
        Files::from([
            ("hutong-ui_bg.wasm".to_owned(), b"\0asm".to_vec()),
            ("hutong-ui.js".to_owned(), b"export { initSync, __wbg_init as default };".to_vec()),
            ("snippets/a/inline0.js".to_owned(), b"1".to_vec()),
        ])
    }

    #[test]
    fn the_page_refers_to_hashed_names() {
        let dir = std::env::temp_dir().join(format!("xtask-page-{}", std::process::id()));
        fs::create_dir_all(dir.join("static")).unwrap();
        fs::write(dir.join("index.html"), "<head>{{scripts}}{{app}}<link href=\"{{style.css}}\"></head>").unwrap();
        fs::write(dir.join("static/style.css"), "body {}").unwrap();
        fs::write(dir.join("static/icon.svg"), "<svg/>").unwrap();
        fs::write(dir.join("static/some-worker.js"), "1").unwrap();
        let (files, on_demand) = assemble(&dir, app(), b"\0asm3").unwrap();
        fs::remove_dir_all(&dir).unwrap();

        let page = String::from_utf8(files["index.html"].clone()).unwrap();
        assert_eq!(files.len(), 8);
        assert_eq!(on_demand.len(), 2);
        for (name, script) in [("hutong-some-worker", "some-worker-"), ("hutong-voice", "voice-")] {
            let (_, rest) = page.split_once(&format!("<meta name=\"{name}\" content=\"")).unwrap();
            let (address, _) = rest.split_once('"').unwrap();
            assert!(address.starts_with(script) && on_demand.contains(address), "{address}");
            assert!(files.contains_key(address));
        }
        for name in files.keys().filter(|name| name.starts_with("hutong-ui") || name.ends_with(".css")) {
            assert!(page.contains(&format!("\"{name}\"")), "{name} in {page}");
        }
        assert!(files.contains_key("icon.svg") && files.contains_key("snippets/a/inline0.js"));
        assert!(!files.contains_key("style.css") && !files.contains_key("some-worker.js"));
    }

    #[test]
    fn the_javascript_loads_the_hashed_wasm() {
        let (files, _) = hash_app_files(app()).unwrap();
        let wasm = files.keys().find(|name| name.ends_with(".wasm")).unwrap();
        let js = files.iter().find(|(name, _)| name.starts_with("hutong-ui-")).unwrap().1;
        assert!(String::from_utf8_lossy(js).contains(&format!("new URL('{wasm}', import.meta.url)")));
    }

    #[test]
    fn changed_wasm_changes_the_names_of_wasm_and_javascript() {
        let mut other = app();
        other.insert("hutong-ui_bg.wasm".to_owned(), b"\0asm2".to_vec());
        let (one, two) = (hash_app_files(app()).unwrap().0, hash_app_files(other).unwrap().0);
        let shared: Vec<_> = one.keys().filter(|name| two.contains_key(*name)).collect();
        assert_eq!(shared, ["snippets/a/inline0.js"]);
    }
}
