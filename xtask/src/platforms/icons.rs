//! The icons that bundles name, and the catalogue of the Apple project.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{Problems, read};
use crate::project::Project;

const CATALOGUE: &str = "gen/apple/Assets.xcassets/AppIcon.appiconset";

/// Checks that each icon is there and is what its name says.
pub fn check(project: &Project) -> Result<()> {
    let mut problems = Problems::default();
    problems.try_out(bundle(&project.root));
    problems.try_out(sources(&project.root));
    problems.try_out(catalogue(&project.root.join(CATALOGUE)));
    problems.end()
}

/// `bundle.icon` in tauri.conf.json.
fn bundle(root: &Path) -> Result<()> {
    let dir = root.join("src-tauri");
    let config: Value = serde_json::from_str(&read(&dir.join("tauri.conf.json"))?)?;
    let icons = config.pointer("/bundle/icon").and_then(Value::as_array).context("tauri.conf.json names no icons")?;
    let mut problems = Problems::default();
    for icon in icons {
        let name = icon.as_str().context("an icon in tauri.conf.json is no path")?;
        let file = dir.join(name);
        if name.ends_with(".png") {
            problems.try_out(Png::read(&file).and_then(|png| png.fits(name)));
        } else {
            problems.demand(file.is_file(), || format!("tauri.conf.json names {name}, which is not there"));
        }
    }
    problems.end()
}

/// The drawings that all icons are rendered from.
fn sources(root: &Path) -> Result<()> {
    let dir = root.join("icons");
    let manifest: Value = serde_json::from_str(&read(&dir.join("icons.json"))?)?;
    let mut problems = Problems::default();
    for (key, value) in manifest.as_object().into_iter().flatten() {
        if let Some(name) = value.as_str().filter(|name| name.ends_with(".svg")) {
            problems.demand(dir.join(name).is_file(), || format!("icons.json: {key} is {name}, which is not there"));
        }
    }
    problems.end()
}

/// What Xcode takes the app's icon from. It refuses an icon with transparency.
fn catalogue(dir: &Path) -> Result<()> {
    let contents: Value = serde_json::from_str(&read(&dir.join("Contents.json"))?)?;
    let images = contents.get("images").and_then(Value::as_array).context("the catalogue names no images")?;
    let mut problems = Problems::default();
    for image in images {
        problems.try_out(in_catalogue(dir, image));
    }
    problems.end()
}

fn in_catalogue(dir: &Path, image: &Value) -> Result<()> {
    let text = |key: &str| image.get(key).and_then(Value::as_str).with_context(|| format!("an image without {key}"));
    let name = text("filename")?;
    let points: f64 = text("size")?.split('x').next().unwrap_or_default().parse()?;
    let scale: f64 = text("scale")?.trim_end_matches('x').parse()?;
    let png = Png::read(&dir.join(name))?;
    let wanted = (points * scale).round();
    ensure!(png.is_square_of(wanted), "{name} has {}x{} pixels, and not {wanted}", png.width, png.height);
    ensure!(png.is_opaque, "{name} has an alpha channel");
    Ok(())
}

/// What a PNG's header says (ISO/IEC 15948, section 11.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Png {
    width: u32,
    height: u32,
    is_opaque: bool,
}

impl Png {
    fn read(file: &Path) -> Result<Self> {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&bytes).with_context(|| format!("{} is no PNG", file.display()))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")?;
        let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
        let color = *header.get(9)?;
        Some(Self { width: number(0)?, height: number(4)?, is_opaque: color == 0 || color == 2 })
    }

    fn is_square_of(self, pixels: f64) -> bool {
        f64::from(self.width) == pixels && f64::from(self.height) == pixels
    }

    /// Whether it is as large as its name says, where it says so: `128x128@2x.png` has 256 pixels.
    fn fits(self, name: &str) -> Result<()> {
        let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (size, scale) = stem.split_once('@').unwrap_or((&stem, "1x"));
        let Some((width, _)) = size.split_once('x') else { return Ok(()) };
        let (Ok(width), Ok(scale)) = (width.parse::<u32>(), scale.trim_end_matches('x').parse::<u32>()) else {
            bail!("{name}: not the name of an icon")
        };
        ensure!(self.is_square_of(f64::from(width * scale)), "{name} has {}x{} pixels", self.width, self.height);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ours, write};
    use super::*;

    fn png(width: u32, height: u32, color: u8) -> Vec<u8> {
        let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
        [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &size, &[8, color]].concat()
    }

    #[test]
    fn a_header_is_read() {
        assert_eq!(Png::parse(&png(40, 20, 2)), Some(Png { width: 40, height: 20, is_opaque: true }));
        assert_eq!(Png::parse(&png(40, 20, 6)).map(|png| png.is_opaque), Some(false));
        assert_eq!(Png::parse(b"<svg>"), None);
        assert_eq!(Png::parse(&png(40, 20, 2)[..20]), None);
    }

    #[test]
    fn a_name_tells_the_size() {
        let png = Png { width: 256, height: 256, is_opaque: true };
        assert!(png.fits("../icons/128x128@2x.png").is_ok() && png.fits("icon.png").is_ok());
        assert!(png.fits("128x128.png").is_err() && png.fits("WxH.png").is_err());
    }

    #[test]
    fn a_catalogue_with_missing_wrong_or_transparent_icons_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let contents = r#"{ "images": [
            { "size": "83.5x83.5", "scale": "2x", "filename": "a.png" },
            { "size": "20x20", "scale": "3x", "filename": "b.png" }
        ] }"#;
        write(&dir.path().join("Contents.json"), contents);
        fs::write(dir.path().join("a.png"), png(167, 167, 2)).unwrap();
        let told = || catalogue(dir.path()).map_err(|error| error.to_string());
        assert!(told().unwrap_err().contains("b.png"));
        fs::write(dir.path().join("b.png"), png(60, 61, 2)).unwrap();
        assert!(told().unwrap_err().contains("60x61"));
        fs::write(dir.path().join("b.png"), png(60, 60, 6)).unwrap();
        assert!(told().unwrap_err().contains("alpha"));
        fs::write(dir.path().join("b.png"), png(60, 60, 2)).unwrap();
        assert_eq!(told(), Ok(()));
    }

    #[test]
    fn an_icon_that_is_named_and_not_there_is_found() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("src-tauri/tauri.conf.json"), r#"{ "bundle": { "icon": ["../icons/icon.ico"] } }"#);
        assert!(bundle(dir.path()).unwrap_err().to_string().contains("icon.ico"));
        write(&dir.path().join("icons/icons.json"), r#"{ "default": "it.svg", "bg_color": "red" }"#);
        assert!(sources(dir.path()).unwrap_err().to_string().contains("it.svg"));
    }

    #[test]
    fn ours_are_all_there() {
        check(&ours()).unwrap();
    }
}
