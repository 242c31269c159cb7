import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder of the test's own, removed when the test is over. */
export function temporaryFolder(test: { teardown(handler: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), "fedloop-test-"));
  test.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
