/** A handful of domains that are wanted together. */
export interface Preset {
  id: string
  title: string
  description: string
  domains: readonly string[]
}

export const presets: readonly Preset[] = [
  preset('github', 'GitHub', 'Code, releases, packages and the API.', [
    'github.com',
    '*.github.com',
    '*.githubusercontent.com',
    'ghcr.io',
  ]),
  preset('gitlab', 'GitLab', 'Code and the API of gitlab.com.', ['gitlab.com', '*.gitlab.com']),
  preset('npm', 'npm', 'Packages for Node.', ['registry.npmjs.org', 'registry.yarnpkg.com']),
  preset('pypi', 'PyPI', 'Packages for Python.', ['pypi.org', 'files.pythonhosted.org']),
  preset('debian', 'Debian', 'Packages of Debian.', ['deb.debian.org', 'security.debian.org']),
  preset('ubuntu', 'Ubuntu', 'Packages of Ubuntu.', [
    'archive.ubuntu.com',
    'security.ubuntu.com',
    'ports.ubuntu.com',
  ]),
  preset('rust', 'Rust', 'Crates for Rust.', ['crates.io', 'index.crates.io', 'static.crates.io']),
  preset('go', 'Go', 'Modules for Go.', ['proxy.golang.org', 'sum.golang.org']),
  preset('telegram', 'Telegram', 'The bot API, for the Telegram channel.', ['api.telegram.org']),
  preset('discord', 'Discord', 'API, gateway and attachments, for the Discord channel.', [
    'discord.com',
    'gateway.discord.gg',
    '*.discord.gg',
    'cdn.discordapp.com',
    'media.discordapp.net',
  ]),
  preset('slack', 'Slack', 'API and sockets, for the Slack channel.', ['slack.com', '*.slack.com']),
  preset('whatsapp', 'WhatsApp', 'WhatsApp Web, for the WhatsApp channel.', [
    'web.whatsapp.com',
    '*.whatsapp.net',
  ]),
  preset('openai', 'OpenAI', 'The API of OpenAI, with a key of your own.', ['api.openai.com']),
  preset('anthropic', 'Anthropic', 'The API of Anthropic, with a key of your own.', ['api.anthropic.com']),
  preset('google-ai', 'Google AI', 'The API of Gemini, with a key of your own.', [
    'generativelanguage.googleapis.com',
  ]),
  preset('huggingface', 'Hugging Face', 'Models and data sets.', [
    'huggingface.co',
    '*.huggingface.co',
    '*.hf.co',
  ]),
]

function preset(id: string, title: string, description: string, domains: string[]): Preset {
  return { id, title, description, domains }
}
