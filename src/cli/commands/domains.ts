import type { Command } from 'commander'
import type { z } from 'zod'
import { emptySchema } from '../../http/schemas/common.ts'
import { domainSchema, domainsSchema } from '../../http/schemas/domains.ts'
import type { ReefClient } from '../client.ts'
import { addRemoteOptions, findInstance, openClient, type RemoteOptions } from '../context.ts'
import { CliError } from '../failure.ts'
import { formatTable, printJson } from '../output.ts'

type Domain = z.infer<typeof domainSchema>

interface InstanceOptions extends RemoteOptions {
  instance?: string
}

export function addDomainsCommands(program: Command): void {
  const domains = program
    .command('domains')
    .description('Domains of your own for your instance.')
    .addHelpText(
      'after',
      `
Examples:
  reef domains add claw.example.com
  reef domains check claw.example.com
  reef domains list`,
    )

  addOptions(domains.command('add'))
    .description('Add a domain, and see which records to set at the DNS.')
    .argument('<domain>', 'the bare name: claw.example.com')
    .addHelpText('after', '\nExample:\n  reef domains add claw.example.com')
    .action(async (name: string, options: InstanceOptions) => {
      const { client, path } = await open(options)
      const domain = await client.call(path, { method: 'POST', body: { domain: name }, answer: domainSchema })
      print(domain, options)
    })

  addOptions(domains.command('list'))
    .description('List the domains of the instance.')
    .addHelpText('after', '\nExample:\n  reef domains list')
    .action(listDomains)

  addOptions(domains.command('check'))
    .description('Look the records up now instead of when it is due.')
    .argument('<domain>', 'the domain')
    .addHelpText('after', '\nExample:\n  reef domains check claw.example.com')
    .action(async (name: string, options: InstanceOptions) => {
      const { client, path } = await open(options)
      const { id } = await find(client, path, name)
      print(await client.call(`${path}/${id}/check`, { method: 'POST', answer: domainSchema }), options)
    })

  addOptions(domains.command('remove'))
    .description('Remove a domain. It stops leading to the instance within a second.')
    .argument('<domain>', 'the domain')
    .addHelpText('after', '\nExample:\n  reef domains remove claw.example.com')
    .action(async (name: string, options: InstanceOptions) => {
      const { client, path } = await open(options)
      const { id, domain } = await find(client, path, name)
      await client.call(`${path}/${id}`, { method: 'DELETE', answer: emptySchema })
      if (options.json) return printJson({ id })
      console.log(`Removed ${domain}.`)
    })
}

function addOptions(command: Command): Command {
  return addRemoteOptions(command).option('--instance <name>', 'another instance than your own')
}

async function open(options: InstanceOptions): Promise<{ client: ReefClient; path: string }> {
  const client = await openClient(options)
  const instance = await findInstance(client, options.instance)
  return { client, path: `/api/instances/${instance.id}/domains` }
}

async function find(client: ReefClient, path: string, name: string): Promise<Domain> {
  const { domains } = await client.call(path, { answer: domainsSchema })
  const found = domains.find((domain) => domain.domain === name.toLowerCase() || domain.id === name)
  if (!found) throw new CliError('notFound', `There is no domain ${name}. See: reef domains list`)
  return found
}

async function listDomains(options: InstanceOptions): Promise<void> {
  const { client, path } = await open(options)
  const { domains } = await client.call(path, { answer: domainsSchema })
  if (options.json) return printJson(domains)
  if (domains.length === 0) return console.log('No domains yet. Add one: reef domains add DOMAIN')
  console.log(
    formatTable(
      ['domain', 'state', 'problem'],
      domains.map((domain) => [domain.domain, domain.state, domain.problem ?? '']),
    ),
  )
}

function print(domain: Domain, options: InstanceOptions): void {
  if (options.json) {
    printJson(domain)
    return
  }
  const lines = [`${domain.domain} is ${domain.state}.`]
  if (domain.problem) lines.push(domain.problem)
  if (domain.state !== 'verified' || !domain.pointsHere)
    lines.push(
      '',
      'Set these at the DNS:',
      formatTable(
        ['type', 'name', 'value'],
        domain.records.map(({ type, name, value }) => [type, name, value]),
      ),
      '',
      `Then: reef domains check ${domain.domain}`,
    )
  else lines.push(domain.url)
  console.log(lines.join('\n'))
}
