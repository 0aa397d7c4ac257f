import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Conversation, ConversationMessage } from '../supervisor/conversations.ts'
import { type Instance, signUp, type TestClient, textOf } from '../test/support/client.ts'
import { type ReefProcess, readReefLog, startReefProcess } from '../test/support/reef-process.ts'

/**
 * One person, one real OpenClaw, and kill -9 of each process in the middle of an answer. Whatever dies, the
 * conversation goes on afterwards with its history, on the one machine that the instance has.
 */
describe('kill -9 in mid-conversation', { timeout: 240_000 }, () => {
  let reef: ReefProcess
  let person: TestClient
  let conversation: Conversation

  beforeAll(async () => {
    reef = await startReefProcess({ POOL_SIZE: '0' })
    person = await signUp(reef.url, reef.proxyUrl, 'ada@example.com')
    const instance = await person.provision()
    conversation = await person.call('POST', `/api/sessions/${instance.sessionId}/conversations`)
    expect(textOf(await say('My name is Ada.'))).not.toBe('')
  }, 240_000)
  afterAll(() => reef.close(), 120_000)

  const current = () => person.untilInstance((instance) => instance.status === 'running', 'running')
  const say = async (text: string) => person.say((await current()).sessionId as string, conversation.id, text)

  /** Starts an answer that takes six seconds and returns once its first words have arrived; the next one waits for its end. */
  const startLongAnswer = async () => {
    const { sessionId } = await current()
    const path = `/api/sessions/${sessionId}/conversations/${conversation.id}/messages`
    const response = await person.raw('POST', path, { text: '/demo slow 30' })
    expect(response.status).toBe(200)
    const reader = response.body?.getReader()
    for (let seen = ''; !seen.includes('"type":"text"'); ) {
      const chunk = await reader?.read()
      if (!chunk || chunk.done) throw new Error(`the answer ended before it began: ${seen}`)
      seen += Buffer.from(chunk.value).toString()
    }
    return () => reader?.cancel().catch(() => undefined)
  }

  /** Sends messages until one is answered: what died needs a moment to come back. */
  const untilAnswered = async (text: string): Promise<string> => {
    const deadline = Date.now() + 120_000
    for (;;) {
      const answer = await say(text)
        .then(textOf)
        .catch(() => '')
      if (answer !== '') return answer
      if (Date.now() > deadline)
        throw new Error(`no answer any more; Reef's log ends:\n${await readReefLog(reef)}`)
      await new Promise((done) => setTimeout(done, 500))
    }
  }

  const expectIntact = async () => {
    const { sessionId } = await current()
    const path = `/api/sessions/${sessionId}/conversations/${conversation.id}/messages`
    const { messages } = await person.call<{ messages: ConversationMessage[] }>('GET', path)
    expect(
      messages.some((message) => message.role === 'user' && message.text.includes('My name is Ada.')),
    ).toBe(true)
    // What exists is what the table says: one machine, assigned, and no other.
    expect(await slotDirectories()).toHaveLength(1)
    const metrics = await (await fetch(`${reef.url}/metrics`)).text()
    expect(metrics.match(/^reef_slots\{.*$/gm)).toEqual(['reef_slots{state="assigned"} 1'])
    const { instances } = await person.call<{ instances: Instance[] }>('GET', '/api/instances')
    expect(instances).toHaveLength(1)
  }

  const slotDirectories = async () => readdir(join(reef.dataDirectory, 'slots'))
  const slotFile = async (name: string) => {
    const [slot] = await slotDirectories()
    return JSON.parse(await readFile(join(reef.dataDirectory, 'slots', slot as string, name), 'utf8'))
  }

  it('OpenClaw: comes back with its history', async () => {
    const cancel = await startLongAnswer()
    process.kill((await slotFile('openclaw.pid.json')).pid, 'SIGKILL')
    await cancel()
    expect(await untilAnswered('What is my name?')).toContain('Ada')
    await expectIntact()
  })

  it('the supervisor: comes back with its history, and the orphaned OpenClaw is gone', async () => {
    const cancel = await startLongAnswer()
    const orphan = (await slotFile('openclaw.pid.json')).pid
    process.kill((await slotFile('supervisor.pid.json')).pid, 'SIGKILL')
    await cancel()
    expect(await untilAnswered('What is my name?')).toContain('Ada')
    expect(() => process.kill(orphan, 0)).toThrow('ESRCH')
    await expectIntact()
  })

  it('the control plane: adopts the instance, which never stopped', async () => {
    const before = (await slotFile('openclaw.pid.json')).pid
    const cancel = await startLongAnswer()
    await reef.kill()
    await cancel()
    await reef.restart()
    expect(await untilAnswered('What is my name?')).toContain('Ada')
    expect((await slotFile('openclaw.pid.json')).pid).toBe(before)
    await expectIntact()
  })

  it('the database: is started again, and nothing that was committed is lost', async () => {
    const cancel = await startLongAnswer()
    const file = await readFile(join(reef.dataDirectory, 'postgres', 'data', 'postmaster.pid'), 'utf8')
    process.kill(Number(file.split('\n')[0]), 'SIGKILL')
    await cancel()
    expect(await untilAnswered('What is my name?')).toContain('Ada')
    await expectIntact()
  })
})
