import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { choosePorts } from './ports.ts'

const host = '127.0.0.1'
let directory: string
let blocker: Server | undefined

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reef-ports-'))
})
afterEach(async () => {
  blocker?.close()
  blocker = undefined
  await rm(directory, { recursive: true })
})

async function block(port: number): Promise<number> {
  const server = createServer()
  blocker = server
  await new Promise<void>((done) => server.listen(port, host, done))
  return (server.address() as { port: number }).port
}

it('keeps the ports of the last start, so that running instances find the control plane', async () => {
  const first = await choosePorts(directory, { host, api: undefined, proxy: undefined })
  expect(await choosePorts(directory, { host, api: undefined, proxy: undefined })).toEqual(first)
})

it('takes a free port when the one of the last start is taken', async () => {
  const first = await choosePorts(directory, { host, api: undefined, proxy: undefined })
  await block(first.api)
  const second = await choosePorts(directory, { host, api: undefined, proxy: undefined })
  expect(second.api).not.toBe(first.api)
})

it('refuses a port that the operator set and that is taken, and names the setting', async () => {
  const port = await block(0)
  await expect(choosePorts(directory, { host, api: port, proxy: undefined })).rejects.toThrow(
    /in use.*REEF_PORT=NUMBER/,
  )
})

it('refuses the same port twice', async () => {
  const { api } = await choosePorts(directory, { host, api: undefined, proxy: undefined })
  await expect(choosePorts(directory, { host, api, proxy: api })).rejects.toThrow(/REEF_PROXY_PORT=NUMBER/)
})

it('says which address is wrong', async () => {
  await expect(choosePorts(directory, { host: '192.0.2.1', api: 7399, proxy: undefined })).rejects.toThrow(
    /REEF_HOST/,
  )
})
