import type Dockerode from 'dockerode'
import { pack } from 'tar-stream'

/** The user that instances and gates run as; made in deploy/docker/Dockerfile. */
export const agentUser = { uid: 10001, gid: 10001 } as const

/** Puts a file for the agent's eyes alone into a directory of a container, running or not yet started. */
export async function putFile(
  container: Dockerode.Container,
  directory: string,
  file: { name: string; text: string },
): Promise<void> {
  const archive = pack()
  archive.entry({ name: file.name, mode: 0o600, ...agentUser, mtime: new Date() }, file.text)
  archive.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of archive) chunks.push(chunk as Buffer) // a pack without encoding gives buffers
  await container.putArchive(Buffer.concat(chunks), { path: directory })
}
