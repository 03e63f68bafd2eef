//! The web app, from Rust to the files that the server and the app carry.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;
use xtask::exec::say;
use xtask::lockfile;
use xtask::project::Project;
use xtask::toolchain::{self, TARGET, WasmToolchain};
use xtask::tools;

use crate::assets::{self, Files};

/// The package and the program in it.
const NAME: &str = "hutong-ui";

/// The package that runs in an audio worklet, and what its wasm is called in the web app.
const VOICE: &str = "hutong-voice";
const VOICE_WASM: &str = "voice.wasm";

/// What rustc switches on for wasm by default, and what the voice has besides. wasm-opt refuses code that uses a feature it was not told of.
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

/// How the web app is built.
#[derive(Debug, Clone)]
pub struct Options {
    /// Small and precompressed, instead of quickly built and with names in its backtraces.
    pub release: bool,
    /// Where it is written.
    pub out: PathBuf,
}

/// Builds the web app into `options.out`.
pub fn build(project: &Project, toolchain: &WasmToolchain, options: &Options) -> Result<()> {
    let started = Instant::now();
    lockfile::wasm_bindgen(&project.root)?;
    let wasm = compile(project, toolchain, options.release)?;
    let voice = compile_voice(project, toolchain)?;
    let mut app = bind(project, &wasm, options.release)?;
    let mut voice = fs::read(&voice).with_context(|| format!("cannot read {}", voice.display()))?;
    if options.release {
        let name = format!("{NAME}_bg.wasm");
        if let Some(wasm) = app.get_mut(&name) {
            *wasm = optimise(project, wasm, "-Oz")?;
        }
        voice = optimise(project, &voice, "-O3")?;
    }
    let (mut files, extra) = page(&project.root.join("ui"), app, &voice)?;
    if options.release {
        assets::compress(&mut files)?;
    }
    let changed = assets::write(&options.out, &files)?;
    report(&files, &extra);
    let out = options.out.strip_prefix(&project.root).unwrap_or(&options.out);
    say(format!("{}: {changed} of its files changed, {:.1} s", out.display(), started.elapsed().as_secs_f32()));
    Ok(())
}

fn compile(project: &Project, toolchain: &WasmToolchain, release: bool) -> Result<PathBuf> {
    say(format!("compiling the web app to wasm with {}", toolchain.describe()));
    let (profile, dir) = if release { ("wasm", "wasm") } else { ("dev", "debug") };
    toolchain
        .cargo(project)
        .args(["build", "--package", NAME, "--bin", NAME, "--target", TARGET, "--profile", profile])
        .run()?;
    Ok(toolchain::target_dir(project).join(TARGET).join(dir).join(format!("{NAME}.wasm")))
}

/// What wasm-bindgen makes of the wasm: the wasm itself, the JavaScript around it and the snippets of its crates.
fn bind(project: &Project, wasm: &Path, release: bool) -> Result<Files> {
    say("wasm-bindgen");
    let dir = toolchain::target_dir(project).join("bindgen");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    let mut bindgen = Bindgen::new();
    bindgen.input_path(wasm).out_name(NAME).typescript(false).omit_default_module_path(true);
    bindgen.remove_name_section(release).remove_producers_section(release).keep_debug(false).web(true)?;
    bindgen.generate(&dir).context("wasm-bindgen does not accept the wasm")?;
    assets::read(&dir)
}

/// Optimised always: sound has a deadline, and without optimisation the voice processing would miss it.
fn compile_voice(project: &Project, toolchain: &WasmToolchain) -> Result<PathBuf> {
    toolchain
        // The app's webviews all have these instructions. WebKit compiles code that uses them before it runs it first, and
        // interprets other code for seconds: ten times as slow.
        .cargo_with(project, "-C target-feature=+simd128")
        .args(["rustc", "--package", VOICE, "--lib", "--crate-type", "cdylib", "--target", TARGET, "--profile", "wasm"])
        // Speed over size: browsers never load it, and it runs a hundred times a second.
        .env("CARGO_PROFILE_WASM_OPT_LEVEL", "3")
        .run()?;
    let name = format!("{}.wasm", VOICE.replace('-', "_"));
    Ok(toolchain::target_dir(project).join(TARGET).join("wasm").join(name))
}

fn optimise(project: &Project, wasm: &[u8], level: &str) -> Result<Vec<u8>> {
    let wasm_opt = tools::wasm_opt(project)?;
    let dir = toolchain::target_dir(project).join("bindgen");
    let (from, to) = (dir.join("whole.wasm"), dir.join("optimised.wasm"));
    fs::write(&from, wasm)?;
    say("wasm-opt");
    wasm_opt
        .args([level, "--strip-debug", "--strip-producers"])
        .args(WASM_FEATURES)
        .arg(&from)
        .arg("-o")
        .arg(&to)
        .run()?;
    Ok(fs::read(&to)?)
}

/// Every file of the web app: the page, the app under names that follow its content, and what stands in `static`; and the
/// names of those that no page loads unless it needs them.
///
/// In `ui/index.html`, `{{app}}` stands for the tags that load the app, and `{{name}}` for the address of `static/name`,
/// which is then named by its content too. `{{scripts}}` tells the addresses of the other scripts in `static` and of the
/// voice, also named by their content: `static/some-worker.js` becomes `<meta name="hutong-some-worker" content="address">`,
/// and the voice's wasm is `hutong-voice`. What else the page does not mention keeps its name.
fn page(ui: &Path, app: Files, voice: &[u8]) -> Result<(Files, BTreeSet<String>)> {
    let path = ui.join("index.html");
    let template = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    for placeholder in ["{{app}}", "{{scripts}}"] {
        if !template.contains(placeholder) {
            bail!("{} has no {placeholder}, the place for tags that are made here", path.display());
        }
    }
    let mut statics = assets::read(&ui.join("static"))?;
    let mut scripts = Files::from([(VOICE_WASM.to_owned(), voice.to_vec())]);
    scripts.extend(
        statics.extract_if(.., |name, _| name.ends_with(".js") && !template.contains(&format!("{{{{{name}}}}}"))),
    );
    let (scripts, metas) = load_on_demand(scripts);
    let (mut files, tags) = load(app)?;
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
        Some(format!("/{hashed}"))
    })?;
    statics.retain(|name, _| !mentioned.contains(name));
    let on_demand = scripts.keys().cloned().collect();
    files.extend(statics);
    files.extend(named);
    files.extend(scripts);
    files.insert("index.html".to_owned(), page.into_bytes());
    Ok((files, on_demand))
}

/// Names files by their content, and gives the tags that tell the app where they are.
fn load_on_demand(files: Files) -> (Files, String) {
    let mut named = Files::new();
    let mut tags = Vec::new();
    for (name, content) in files {
        let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
        let hashed = assets::hashed_name(&name, &content);
        tags.push(format!("<meta name=\"hutong-{stem}\" content=\"/{hashed}\">"));
        named.insert(hashed, content);
    }
    (named, tags.join("\n    "))
}

/// Names the app's files by their content and gives the tags that load them.
fn load(mut app: Files) -> Result<(Files, String)> {
    let (wasm_name, js_name) = (format!("{NAME}_bg.wasm"), format!("{NAME}.js"));
    let wasm = app.remove(&wasm_name).context("wasm-bindgen wrote no wasm")?;
    let js = app.remove(&js_name).context("wasm-bindgen wrote no JavaScript")?;
    let wasm_file = assets::hashed_name(&wasm_name, &wasm);
    let mut js = String::from_utf8(js).context("wasm-bindgen's JavaScript is not UTF-8")?;
    // Started from its own file: a page without inline scripts can forbid them all.
    js.push_str(&format!("\n__wbg_init({{ module_or_path: new URL('{wasm_file}', import.meta.url) }});\n"));
    let js_file = assets::hashed_name(&js_name, js.as_bytes());
    let tags = format!(
        "<link rel=\"preload\" href=\"/{wasm_file}\" as=\"fetch\" type=\"application/wasm\" crossorigin>\n    \
         <script type=\"module\" src=\"/{js_file}\"></script>"
    );
    app.insert(wasm_file, wasm);
    app.insert(js_file, js.into_bytes());
    Ok((app, tags))
}

fn report(files: &Files, on_demand: &BTreeSet<String>) {
    let mut transfer = 0;
    for (name, content) in files.iter().filter(|(name, _)| !is_twin(name)) {
        let twin = |ending: &str| files.get(&format!("{name}.{ending}")).map(Vec::len);
        let packed = [("br", twin("br")), ("gz", twin("gz"))]
            .iter()
            .filter_map(|(ending, size)| size.map(|size| format!("  {ending} {}", kib(size))))
            .collect::<String>();
        println!("{:>10}  {name}{packed}", kib(content.len()));
        let is_loaded = [".html", ".js", ".css", ".wasm"].iter().any(|ending| name.ends_with(ending));
        if is_loaded && !on_demand.contains(name) {
            transfer += twin("br").unwrap_or(content.len());
        }
    }
    println!("{:>10}  page, code and style as a browser gets them", kib(transfer));
}

fn is_twin(name: &str) -> bool {
    name.ends_with(".br") || name.ends_with(".gz")
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files, shown with one digit")]
fn kib(bytes: usize) -> String {
    format!("{:.1} KiB", bytes as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> Files {
        Files::from([
            ("hutong-ui_bg.wasm".to_owned(), b"\0asm".to_vec()),
            ("hutong-ui.js".to_owned(), b"export { initSync, __wbg_init as default };".to_vec()),
            ("snippets/a/inline0.js".to_owned(), b"1".to_vec()),
        ])
    }

    #[test]
    fn the_page_names_every_file_by_its_content() {
        let dir = std::env::temp_dir().join(format!("xtask-page-{}", std::process::id()));
        fs::create_dir_all(dir.join("static")).unwrap();
        fs::write(dir.join("index.html"), "<head>{{scripts}}{{app}}<link href=\"{{style.css}}\"></head>").unwrap();
        fs::write(dir.join("static/style.css"), "body {}").unwrap();
        fs::write(dir.join("static/icon.svg"), "<svg/>").unwrap();
        fs::write(dir.join("static/some-worker.js"), "1").unwrap();
        let (files, on_demand) = page(&dir, app(), b"\0asm3").unwrap();
        fs::remove_dir_all(&dir).unwrap();

        let page = String::from_utf8(files["index.html"].clone()).unwrap();
        assert_eq!(files.len(), 8);
        assert_eq!(on_demand.len(), 2);
        for (name, script) in [("hutong-some-worker", "some-worker-"), ("hutong-voice", "voice-")] {
            let (_, rest) = page.split_once(&format!("<meta name=\"{name}\" content=\"/")).unwrap();
            let (address, _) = rest.split_once('"').unwrap();
            assert!(address.starts_with(script) && on_demand.contains(address), "{address}");
            assert!(files.contains_key(address));
        }
        for name in files.keys().filter(|name| name.starts_with("hutong-ui") || name.ends_with(".css")) {
            assert!(page.contains(&format!("\"/{name}\"")), "{name} in {page}");
        }
        assert!(files.contains_key("icon.svg") && files.contains_key("snippets/a/inline0.js"));
        assert!(!files.contains_key("style.css") && !files.contains_key("some-worker.js"));
    }

    #[test]
    fn the_javascript_starts_the_wasm_beside_it() {
        let (files, _) = load(app()).unwrap();
        let wasm = files.keys().find(|name| name.ends_with(".wasm")).unwrap();
        let js = files.iter().find(|(name, _)| name.starts_with("hutong-ui-")).unwrap().1;
        assert!(String::from_utf8_lossy(js).contains(&format!("new URL('{wasm}', import.meta.url)")));
    }

    #[test]
    fn other_wasm_is_another_file_and_so_is_its_javascript() {
        let mut other = app();
        other.insert("hutong-ui_bg.wasm".to_owned(), b"\0asm2".to_vec());
        let (one, two) = (load(app()).unwrap().0, load(other).unwrap().0);
        let shared: Vec<_> = one.keys().filter(|name| two.contains_key(*name)).collect();
        assert_eq!(shared, ["snippets/a/inline0.js"]);
    }
}
