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
use xtask::web_app::WebAppBuild;

use crate::assets::{self, Files};

/// Name of the package and of its program.
const NAME: &str = "hutong-ui";

/// Package of the audio worklet.
const VOICE: &str = "hutong-voice";
/// Name of its wasm file in the web app.
const VOICE_WASM: &str = "voice.wasm";

/// Tag that makes the web app installable.
const MANIFEST: &str = "<link rel=\"manifest\" href=\"manifest.webmanifest\">";

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

/// Options of building the web app.
#[derive(Debug, Clone)]
pub struct WebAppOptions {
    /// What to build.
    pub builds: Vec<WebAppBuild>,
    /// Small, instead of fast to build and with symbols.
    pub release: bool,
    /// Parent of the output directories.
    pub out: PathBuf,
}

/// Makes the builds, each into its directory below `options.out`.
pub fn build(project: &Project, toolchain: &WasmToolchain, options: &WebAppOptions) -> Result<()> {
    lockfile::wasm_bindgen_version(&project.root)?;
    for build in &options.builds {
        build_one(project, toolchain, *build, options)?;
    }
    Ok(())
}

fn build_one(project: &Project, toolchain: &WasmToolchain, build: WebAppBuild, options: &WebAppOptions) -> Result<()> {
    let started = Instant::now();
    let wasm = compile(project, toolchain, build, options.release)?;
    let mut app = run_wasm_bindgen(project, &wasm, options.release)?;
    if options.release {
        let name = format!("{NAME}_bg.wasm");
        if let Some(wasm) = app.get_mut(&name) {
            // rustc has optimized for size already. -Oz makes the wasm 5 % smaller, but the compressed wasm larger.
            *wasm = optimize(project, wasm, "-O1")?;
        }
        if let Some(js) = app.get_mut(&format!("{NAME}.js")) {
            *js = without_indentation(js);
        }
    }
    let statics = static_files(&project.ui(), build, || compile_voice(project, toolchain, options.release))?;
    let mut files = assemble(&project.ui(), app, statics, build)?;
    if build == WebAppBuild::Browser {
        files.extend(installable_files(project)?);
    }
    // Tauri compresses what the app embeds by itself.
    if options.release && build == WebAppBuild::Browser {
        assets::compress(&mut files)?;
    }
    let out = build.dir(&options.out);
    let changed = assets::write(&out, &files)?;
    print_sizes(&files, build);
    let out = out.strip_prefix(&project.root).unwrap_or(&out);
    status(format!("{}: {changed} files changed, {:.1} s", out.display(), started.elapsed().as_secs_f32()));
    Ok(())
}

fn compile(project: &Project, toolchain: &WasmToolchain, build: WebAppBuild, release: bool) -> Result<PathBuf> {
    status(format!("compiling the web app ({}) to wasm with {}", build.name(), toolchain.describe()));
    let (profile, dir) = if release { ("wasm", "wasm") } else { ("dev", "debug") };
    toolchain
        .cargo(project)
        .args(["build", "--package", NAME, "--bin", NAME, "--target", TARGET, "--profile", profile])
        .args((build == WebAppBuild::Browser).then_some("--no-default-features"))
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

/// Compiles the audio worklet's wasm. Always optimized, since audio processing must meet the deadline of each render quantum.
fn compile_voice(project: &Project, toolchain: &WasmToolchain, release: bool) -> Result<Vec<u8>> {
    toolchain
        // All webviews of the app support SIMD. WebKit compiles wasm with SIMD ahead of time, but interprets other wasm for the
        // first seconds, ten times as slow.
        .cargo_with_rustflags(project, "-C target-feature=+simd128")
        .args(["rustc", "--package", VOICE, "--lib", "--crate-type", "cdylib", "--target", TARGET, "--profile", "wasm"])
        // Optimized for speed: browsers do not download it, and it runs hundreds of times a second.
        .env("CARGO_PROFILE_WASM_OPT_LEVEL", "3")
        .run()?;
    let name = format!("{}.wasm", VOICE.replace('-', "_"));
    let path = toolchain::target_dir(project).join(TARGET).join("wasm").join(name);
    let wasm = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    if release { optimize(project, &wasm, "-O3") } else { Ok(wasm) }
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

/// Reads the static files of a build. Those in `static-app`, and the audio worklet's wasm, are loaded by the native backend, which
/// only the app's build has.
fn static_files(ui: &Path, build: WebAppBuild, voice: impl FnOnce() -> Result<Vec<u8>>) -> Result<Files> {
    let mut files = assets::read(&ui.join("static"))?;
    if build == WebAppBuild::App {
        files.extend(assets::read(&ui.join("static-app"))?);
        files.insert(VOICE_WASM.to_owned(), voice()?);
    }
    Ok(files)
}

/// The files that make the web app installable. They keep their names, which browsers remember.
fn installable_files(project: &Project) -> Result<Files> {
    let mut files = assets::read(&project.ui().join("static-browser"))?;
    for (name, icon) in [("icon-512.png", "icon.png"), ("icon-maskable.svg", "source/full.svg")] {
        let path = project.root.join("icons").join(icon);
        files.insert(name.to_owned(), fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    Ok(files)
}

/// Assembles all files of a build from wasm-bindgen's output and the static files.
///
/// Placeholders in `ui/index.html`: `{{app}}` becomes the tags that load the app, and `{{name}}` the hashed URL of the static file
/// `name`. `{{scripts}}` becomes meta tags with the hashed URLs of the other scripts and of static wasm:
/// `<meta name="hutong-some-worker" content="URL">` for `some-worker.js`. `{{manifest}}` becomes the link to the manifest in the
/// build for browsers, and nothing in the app's. Other static files that the page does not mention keep
/// their names.
fn assemble(ui: &Path, app: Files, mut statics: Files, build: WebAppBuild) -> Result<Files> {
    let path = ui.join("index.html");
    let template = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    for placeholder in ["{{app}}", "{{scripts}}"] {
        if !template.contains(placeholder) {
            bail!("{} has no placeholder {placeholder}", path.display());
        }
    }
    let is_script = |name: &str| name.ends_with(".js") || name.ends_with(".wasm");
    let scripts =
        statics.extract_if(.., |name, _| is_script(name) && !template.contains(&format!("{{{{{name}}}}}"))).collect();
    let (scripts, metas) = hash_scripts(scripts);
    let (mut files, tags) = hash_app_files(app)?;
    let mut named = BTreeMap::new();
    let mut mentioned = BTreeSet::new();
    let page = assets::fill(&template, |name| {
        match name {
            "app" => return Some(tags.clone()),
            "scripts" => return Some(metas.clone()),
            "manifest" => return Some(if build == WebAppBuild::Browser { MANIFEST.to_owned() } else { String::new() }),
            _ => {}
        }
        let content = statics.get(name)?;
        let hashed = assets::hashed_name(name, content);
        named.insert(hashed.clone(), content.clone());
        mentioned.insert(name.to_owned());
        Some(hashed)
    })?;
    statics.retain(|name, _| !mentioned.contains(name));
    files.extend(statics);
    files.extend(named);
    files.extend(scripts);
    files.insert("index.html".to_owned(), page.into_bytes());
    Ok(files)
}

/// Hashes the names of scripts that the program loads; returns them, and the meta tags with their URLs.
fn hash_scripts(files: Files) -> (Files, String) {
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

/// Prints the size of each file, and for browsers the transfer size of a first visit.
fn print_sizes(files: &Files, build: WebAppBuild) {
    let mut transfer = 0;
    for (name, content) in files.iter().filter(|(name, _)| !is_compressed(name)) {
        let compressed = |extension: &str| files.get(&format!("{name}.{extension}")).map(Vec::len);
        let packed = [("br", compressed("br")), ("gz", compressed("gz"))]
            .iter()
            .filter_map(|(extension, size)| size.map(|size| format!("  {extension} {}", kib(size))))
            .collect::<String>();
        println!("{:>10}  {name}{packed}", kib(content.len()));
        let is_loaded = [".html", ".js", ".css", ".wasm"].iter().any(|extension| name.ends_with(extension));
        if is_loaded {
            transfer += compressed("br").unwrap_or(content.len());
        }
    }
    if build == WebAppBuild::Browser {
        println!("{:>10}  transfer size of page, scripts, wasm and styles", kib(transfer));
    }
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

    /// URL of a script in the page's meta tag.
    fn script_url(files: &Files, name: &str) -> Option<String> {
        let page = String::from_utf8(files["index.html"].clone()).unwrap();
        let (_, rest) = page.split_once(&format!("<meta name=\"hutong-{name}\" content=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    }

    #[test]
    fn the_page_refers_to_hashed_names() {
        let dir = std::env::temp_dir().join(format!("xtask-page-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("index.html"), "<head>{{scripts}}{{app}}<link href=\"{{style.css}}\"></head>").unwrap();
        let statics = Files::from([
            ("style.css".to_owned(), b"body {}".to_vec()),
            ("icon.svg".to_owned(), b"<svg/>".to_vec()),
            ("some-worker.js".to_owned(), b"1".to_vec()),
            (VOICE_WASM.to_owned(), b"\0asm3".to_vec()),
        ]);
        let files = assemble(&dir, app(), statics, WebAppBuild::Browser).unwrap();
        fs::remove_dir_all(&dir).unwrap();

        let page = String::from_utf8(files["index.html"].clone()).unwrap();
        assert_eq!(files.len(), 8);
        for name in ["some-worker", "voice"] {
            let url = script_url(&files, name).unwrap();
            assert!(url.starts_with(&format!("{name}-")) && files.contains_key(&url), "{url}");
        }
        for name in files.keys().filter(|name| name.starts_with("hutong-ui") || name.ends_with(".css")) {
            assert!(page.contains(&format!("\"{name}\"")), "{name} in {page}");
        }
        assert!(files.contains_key("icon.svg") && files.contains_key("snippets/a/inline0.js"));
        assert!(!files.contains_key("style.css") && !files.contains_key("some-worker.js"));
    }

    #[test]
    fn only_the_apps_build_has_the_native_backends_files() {
        let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui");
        let [browser, app] = WebAppBuild::ALL.map(|build| {
            let statics = static_files(&ui, build, || Ok(b"\0asm3".to_vec())).unwrap();
            assemble(&ui, app(), statics, build).unwrap()
        });
        for name in ["native-audio", "native-video", "voice", "voice-precompile", "voice-worklet"] {
            assert!(app.contains_key(&script_url(&app, name).unwrap()), "{name}");
            assert_eq!(script_url(&browser, name), None);
        }
        let is_native = |name: &String| name.starts_with("native-") || name.starts_with("voice");
        assert_eq!(browser.keys().find(|name| is_native(name)), None);
        assert_eq!(script_url(&browser, "timer-worker"), script_url(&app, "timer-worker"));
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
