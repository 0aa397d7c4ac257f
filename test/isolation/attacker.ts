import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { connect, type Socket } from 'node:net'
import type { Attempt } from './attempts.ts'

/**
 * Runs inside an instance: tries everything that comes in on standard input and says for each what came of it. Whether
 * it got out is not judged here but where it would have arrived.
 */
const secondsMax = 2
const together = 25

async function main(): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  const attempts = JSON.parse(Buffer.concat(chunks).toString()) as Attempt[]
  const results: Record<string, string> = {}
  const waiting = [...attempts]
  const work = async (): Promise<void> => {
    for (let one = waiting.shift(); one; one = waiting.shift())
      results[one.id] = await attempt(one).catch((error: Error) => `failed: ${error.message}`)
  }
  await Promise.all(Array.from({ length: together }, work))
  process.stdout.write(JSON.stringify(results), () => process.exit(0))
}

function attempt(one: Attempt): Promise<string> {
  switch (one.kind) {
    case 'tcp':
      return talk(one.host, one.port, [one.id])
    case 'udp':
      return sendDatagram(one.host, one.port, one.id)
    case 'dns':
      return askDns(one.server, one.name)
    case 'bytes':
      return talk(one.host, one.port, one.steps)
    case 'perl':
      return runPerl(one.program)
  }
}

/** Sends each step once something came back for the one before, and gives what came. */
function talk(host: string, port: number, steps: string[]): Promise<string> {
  return new Promise((resolve) => {
    let socket: Socket
    let answer = ''
    const rest = [...steps]
    const finish = (): void => {
      clearTimeout(timer)
      socket?.destroy()
      resolve(answer.slice(0, 300))
    }
    const timer = setTimeout(finish, secondsMax * 1000)
    const next = (): void => {
      const step = rest.shift()
      if (step !== undefined) socket.write(step, 'latin1')
    }
    socket = connect({ host, port })
    socket.on('connect', () => {
      answer += 'connected '
      next()
    })
    socket.on('data', (data) => {
      answer += data.toString('latin1')
      next()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      answer += `error ${error.code}`
    })
    socket.on('close', finish)
  })
}

function sendDatagram(host: string, port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    const finish = (result: string): void => {
      socket.close()
      resolve(result)
    }
    socket.on('error', (error: NodeJS.ErrnoException) => finish(`error ${error.code}`))
    socket.bind(0, () => {
      try {
        socket.setBroadcast(true)
      } catch {
        // Not for IPv6.
      }
      socket.send(text, port, host, (error) =>
        finish(error ? `error ${(error as NodeJS.ErrnoException).code}` : 'sent'),
      )
    })
  })
}

async function askDns(server: string, name: string): Promise<string> {
  const resolver = new Resolver({ timeout: 800, tries: 1 })
  resolver.setServers([server])
  return JSON.stringify(await resolver.resolve4(name))
}

function runPerl(program: string): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn('perl', ['-MSocket', '-e', program])
    let text = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        text += String(chunk)
      })
    const timer = setTimeout(() => child.kill('SIGKILL'), secondsMax * 1000)
    child.on('close', () => {
      clearTimeout(timer)
      resolve(text.slice(0, 300))
    })
    child.on('error', (error) => resolve(error.message))
  })
}

await main()
