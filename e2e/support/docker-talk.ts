import type { Conversation } from '../../supervisor/conversations.ts'
import { type Instance, signUp, type TestClient, textOf } from '../../test/support/client.ts'
import { docker, readReefId, removeOwn } from '../../test/support/docker.ts'
import { type ReefProcess, readReefLog, startReefProcess } from '../../test/support/reef-process.ts'

/** A Reef on the machine's Docker Engine. */
export interface DockerReef extends ReefProcess {
  /** Signs somebody up, who gets a container and opens a conversation in it. */
  join(email: string): Promise<Talk>
  /** Stops it and removes everything that it made on the engine. */
  dispose(): Promise<void>
}

/** A person who talks with their instance, and a look at its container without Reef. */
export interface Talk {
  readonly person: TestClient
  current(): Promise<Instance>
  say(text: string): Promise<string>
  /** Says it until it is answered: what died needs a moment to come back. */
  untilAnswered(text: string): Promise<string>
  /** Everything that was said so far, as OpenClaw keeps it. */
  history(): Promise<string>
  /** Starts an answer of many words, and resolves once the first of them have arrived. */
  startLongAnswer(): Promise<void>
  /** Of the container and of the volume alike. */
  readonly machineName: string
}

const patienceMilliseconds = 150_000

export async function startDockerReef(environment: Record<string, string> = {}): Promise<DockerReef> {
  const reef = await startReefProcess({
    REEF_DRIVER: 'docker',
    POOL_SIZE: '0',
    // Nobody is to fall asleep between two steps.
    REEF_IDLE_SUSPEND: 'off',
    REEF_STOP_INSTANCES_ON_EXIT: '0',
    ...environment,
  })
  // Its own properties change when it is started again, so that it is extended and not copied.
  return Object.assign(Object.create(reef) as ReefProcess, {
    join: (email: string) => openTalk(reef, email),
    dispose: async () => {
      const reefId = await readReefId(reef.dataDirectory)
      await reef.close()
      await removeOwn(reefId)
    },
  })
}

/** Without a pool the one container more is theirs. */
async function openTalk(reef: ReefProcess, email: string): Promise<Talk> {
  const before = await machinesOf(reef)
  const person = await signUp(reef.url, reef.proxyUrl, email)
  const started = await person.provision()
  const conversation = await person.call<Conversation>(
    'POST',
    `/api/sessions/${started.sessionId}/conversations`,
  )
  const current = () =>
    person.untilInstance(
      (instance) => instance.status === 'running' && instance.sessionId !== null,
      'running',
    )
  const messagesPath = async () =>
    `/api/sessions/${(await current()).sessionId}/conversations/${conversation.id}/messages`
  const say = async (text: string) =>
    textOf(await person.say((await current()).sessionId as string, conversation.id, text))
  return {
    person,
    current,
    say,
    untilAnswered: async (text) => {
      const deadline = Date.now() + patienceMilliseconds
      for (;;) {
        const answer = await say(text).catch(() => '')
        if (answer !== '') return answer
        if (Date.now() > deadline)
          throw new Error(`no answer any more; Reef's log ends:\n${await readReefLog(reef)}`)
        await new Promise((done) => setTimeout(done, 500))
      }
    },
    history: async () => (await person.raw('GET', await messagesPath())).text(),
    startLongAnswer: async () => {
      const response = await person.raw('POST', await messagesPath(), { text: '/demo slow 80' })
      const reader = response.body?.getReader()
      for (let seen = ''; !seen.includes('"type":"text"'); ) {
        const chunk = await reader?.read()
        if (!chunk || chunk.done) throw new Error(`the answer ended before it began: ${seen}`)
        seen += Buffer.from(chunk.value).toString()
      }
      // What is left of it is cut off by whatever the test does next.
      void reader?.closed.catch(() => undefined)
    },
    machineName: [...(await machinesOf(reef))].find((name) => !before.has(name)) as string,
  }
}

/** Containers of slots, by name. */
async function machinesOf(reef: ReefProcess): Promise<Set<string>> {
  const reefId = await readReefId(reef.dataDirectory)
  const filters = ['--filter', `label=reef.id=${reefId}`, '--filter', 'label=reef.slot']
  const names = await docker('ps', '--all', ...filters, '--format', '{{.Names}}')
  return new Set(names.split('\n').filter(Boolean))
}
