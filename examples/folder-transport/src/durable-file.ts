import { type FileHandle, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Makes a change of a folder's entries durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  await folder.sync().finally(() => folder.close())
}

/** Replaces a file by new content: whoever reads it, also after a crash, finds the old one or the new one. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`
  const file = await open(temporary, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  await syncFolder(dirname(path))
}

/** Reads a file of lines and opens it to append; what a crash left of a last line is cut off. */
export async function openLines(path: string): Promise<{ readonly lines: readonly string[]; readonly file: FileHandle }> {
  const file = await open(path, 'a+', 0o600)
  const bytes = await readFile(path)
  const end = bytes.lastIndexOf('\n') + 1
  if (end < bytes.length) await file.truncate(end)
  await syncFolder(dirname(path))
  const text = bytes.subarray(0, end).toString('utf8')
  return { lines: text === '' ? [] : text.slice(0, -1).split('\n'), file }
}
