//! Check of the container file: base images are pinned by digest.

use anyhow::Result;
use xtask::project::Project;

use crate::problems::{Problems, read};

/// The container file.
const DOCKERFILE: &str = "packaging/docker/Dockerfile";

/// Checks that every image from a registry has a digest.
pub fn check(project: &Project) -> Result<()> {
    let mut problems = Problems::default();
    for image in unpinned_images(&read(&project.root.join(DOCKERFILE))?) {
        problems.add(format!("{DOCKERFILE}: the image {image} is not pinned by a digest"));
    }
    problems.finish()
}

/// Images of `FROM` and `COPY --from`, without those that have a digest, the empty image, and other stages.
fn unpinned_images(file: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut stages = vec!["scratch".to_owned()];
    let mut unpinned = Vec::new();
    for line in file.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let image = match words.as_slice() {
            ["ARG", argument] => {
                arguments.extend(argument.split_once('='));
                None
            }
            ["FROM", rest @ ..] => rest.iter().find(|word| !word.starts_with("--")).copied(),
            ["COPY", rest @ ..] => rest.iter().find_map(|word| word.strip_prefix("--from=")),
            _ => None,
        };
        if let Some(image) = image {
            let image = arguments
                .iter()
                .fold(image.to_owned(), |image, (name, value)| image.replace(&format!("${{{name}}}"), value));
            if !stages.contains(&image) && !has_digest(&image) {
                unpinned.push(image);
            }
        }
        if let ["FROM", .., "AS", stage] = words.as_slice() {
            stages.push((*stage).to_owned());
        }
    }
    unpinned
}

fn has_digest(image: &str) -> bool {
    let digest = image.split_once("@sha256:").map_or("", |(_, digest)| digest);
    digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_without_a_digest_are_found_in_every_form() {
        let digest = "0123456789abcdef".repeat(4);
        let file = format!(
            "ARG RUST=rust:1@sha256:{digest}\nARG OLD=rust:1\nFROM ${{RUST}} AS build\nFROM --platform=x busybox:1 AS tools\n\
             FROM ${{OLD}}\nFROM scratch\nCOPY --from=build /a /b\nCOPY --from=alpine:3 /a /b\nFROM build\nFROM a@sha256:12\n"
        );
        assert_eq!(unpinned_images(&file), ["busybox:1", "rust:1", "alpine:3", "a@sha256:12"]);
    }
}
