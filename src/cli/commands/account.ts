import { isCancel, password as passwordPrompt, text as textPrompt } from '@clack/prompts'
import type { Command } from 'commander'
import { passwordSchema } from '../../http/schemas/accounts.ts'
import { emptySchema } from '../../http/schemas/common.ts'
import { meSchema } from '../../http/schemas/instances.ts'
import { obtainTokens, send } from '../client.ts'
import { addRemoteOptions, chooseUrl, openClient, type RemoteOptions } from '../context.ts'
import { openCredentialStore } from '../credentials.ts'
import { CliError } from '../failure.ts'
import { formatFields, printJson } from '../output.ts'

interface LogInOptions {
  url?: string
  email?: string
  name?: string
  passwordStdin?: boolean
}

export function addAccountCommands(program: Command): void {
  program
    .command('login')
    .description('Log in on this machine. Other commands then act for you.')
    .option('--url <url>', 'where Reef is (REEF_URL; default: Reef on this machine)')
    .option('--email <email>', 'instead of being asked')
    .option('--password-stdin', 'read the password from standard input')
    .addHelpText(
      'after',
      `
Examples:
  reef login
  reef login --url https://reef.example.com
  reef login --email ada@example.com --password-stdin < password.txt

Programs use an API key instead, without logging in: REEF_URL=... REEF_API_KEY=oc_... reef status`,
    )
    .action((options: LogInOptions) => logIn(options, '/api/auth/log-in'))

  program
    .command('sign-up')
    .description('Make an account and log in with it.')
    .option('--url <url>', 'where Reef is (REEF_URL; default: Reef on this machine)')
    .option('--name <name>', 'instead of being asked')
    .option('--email <email>', 'instead of being asked')
    .option('--password-stdin', 'read the password from standard input')
    .addHelpText('after', '\nExample:\n  reef sign-up --name Ada --email ada@example.com')
    .action((options: LogInOptions) => logIn(options, '/api/auth/sign-up'))

  program
    .command('logout')
    .description('Forget the log-in of this machine, here and at Reef.')
    .addHelpText('after', '\nExample:\n  reef logout')
    .action(logOut)

  addRemoteOptions(program.command('whoami'))
    .description('Show who is logged in, and in which organizations.')
    .addHelpText('after', '\nExample:\n  reef whoami --json')
    .action(whoAmI)
}

async function logIn(options: LogInOptions, path: '/api/auth/log-in' | '/api/auth/sign-up'): Promise<void> {
  const store = openCredentialStore()
  const url = await chooseUrl(options, process.env, store)
  const isNew = path === '/api/auth/sign-up'
  const name = isNew ? { name: options.name ?? (await ask('Your name')) } : {}
  const email = options.email ?? (await ask('E-mail'))
  const password = options.passwordStdin ? await readPassword() : await askPassword(isNew)
  const credentials = await obtainTokens(url, path, { ...name, email, password })
  await store.update(async () => credentials)
  console.log(`Logged in at ${url} as ${credentials.email}.`)
}

async function logOut(): Promise<void> {
  const store = openCredentialStore()
  let unreachable = false
  const before = await store.find()
  await store.update(async (present) => {
    if (!present) return undefined
    try {
      const { url, refreshToken } = present
      await send(url, '/api/auth/log-out', { method: 'POST', body: { refreshToken }, answer: emptySchema })
    } catch (error) {
      // The person wants to be logged out of this machine, whatever Reef says.
      unreachable = error instanceof CliError && error.reason === 'unreachable'
    }
    return undefined
  })
  if (!before) console.log('You were not logged in.')
  else if (unreachable)
    console.log(`Logged out here. ${before.url} does not answer, so there the log-in stays until it expires.`)
  else console.log(`Logged out of ${before.url}.`)
}

async function whoAmI(options: RemoteOptions): Promise<void> {
  const client = await openClient(options)
  const me = await client.call('/api/me', { answer: meSchema })
  if (options.json) return printJson(me)
  const organizations = me.organizations
    .map(({ slug, role }) => `${slug} (${role}${slug === me.organization.slug ? ', acting' : ''})`)
    .join(', ')
  console.log(
    formatFields([
      ['Person', `${me.user.name} <${me.user.email}>`],
      ['Reef', client.url],
      ['Organizations', organizations],
    ]),
  )
}

async function ask(message: string): Promise<string> {
  requireTerminal()
  const answer = await textPrompt({ message, validate: (value) => (value ? undefined : 'Please answer.') })
  return isCancel(answer) ? cancelled() : answer
}

async function askPassword(isNew: boolean): Promise<string> {
  requireTerminal()
  const validate = (value: string | undefined) => {
    if (!isNew) return undefined
    const checked = passwordSchema.safeParse(value ?? '')
    return checked.success ? undefined : `It ${checked.error.issues[0]?.message}.`
  }
  const answer = await passwordPrompt({ message: 'Password', validate })
  return isCancel(answer) ? cancelled() : answer
}

function requireTerminal(): void {
  if (!process.stdin.isTTY)
    throw new CliError('usage', 'There is no terminal to ask on. Give --email and --password-stdin.')
}

function cancelled(): never {
  throw new CliError('interrupted', 'Cancelled.')
}

/** All of standard input without the line end that `echo` and editors add. */
async function readPassword(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) text += chunk
  const password = text.replace(/\r?\n$/, '')
  if (!password) throw new CliError('usage', 'No password came on standard input.')
  return password
}
