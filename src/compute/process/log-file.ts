import { open, stat, truncate, writeFile } from 'node:fs/promises'

/**
 * The supervisor writes to the log's descriptor by itself, since it must outlive the control plane. So the bound is
 * kept from outside: a log that has grown too large is moved to `PATH.1` and emptied. The descriptor appends, so the
 * writer goes on at the new end; the few lines written in between are lost.
 */
export async function boundLog(path: string, bytesMax: number): Promise<void> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  )
  if (size <= bytesMax) return
  await writeFile(`${path}.1`, await readTail(path, Math.floor(bytesMax / 2)), { mode: 0o600 })
  await truncate(path, 0)
}

/** The last `bytesMax` bytes as text, without the first line if that is cut. Empty when there is no log. */
export async function readTail(path: string, bytesMax: number): Promise<string> {
  const file = await open(path, 'r').catch(() => undefined)
  if (!file) return ''
  try {
    const { size } = await file.stat()
    const from = Math.max(0, size - bytesMax)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, bytesMax)), { position: from })
    const text = buffer.toString('utf8', 0, bytesRead)
    return from === 0 ? text : text.slice(text.indexOf('\n') + 1)
  } finally {
    await file.close()
  }
}
