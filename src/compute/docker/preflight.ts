import type { PreflightCheck } from '../../domain/instances/compute.ts'
import { toComputeError } from './errors.ts'
import { type DockerHost, openHost } from './fleet.ts'
import { parseHosts } from './host-address.ts'
import { findImage } from './images.ts'
import { checkReversePath } from './reverse-path.ts'
import { parseRange } from './subnets.ts'

/** Of Docker 20.10, which has control groups of version 2 and every option that is used here. */
const apiVersionMin = 1.41

/** For `reef doctor`: what a control plane with these settings would find. Throws when the settings are wrong. */
export async function checkDockerHosts(settings: {
  hosts: string
  certificatesDirectory: string | undefined
  image: string
  gateImage: string
  network: string
}): Promise<PreflightCheck[]> {
  parseRange(settings.network)
  const hosts = parseHosts(settings.hosts)
  const checks = hosts.map((address) => {
    const labelled = { reefId: 'doctor', helperImage: settings.gateImage }
    return checkHost(openHost(address, { ...settings, ...labelled }), settings, hosts.length > 1)
  })
  return (await Promise.all(checks)).flat()
}

/** What a host must have before slots are made on it. Never throws. */
export async function checkHost(
  { engine, memory }: DockerHost,
  options: { image: string; gateImage: string },
  named: boolean,
): Promise<PreflightCheck[]> {
  const prefix = named ? `${engine.host.name}: ` : ''
  const check = (name: string, ok: boolean, detail: string): PreflightCheck => ({
    name: `${prefix}${name}`,
    ok,
    detail,
  })
  try {
    const version = await engine.docker.version()
    const api = Number(version.ApiVersion)
    const images = await Promise.all(
      [options.image, options.gateImage].map(async (reference) => {
        const image = await findImage(engine, reference)
        return check(
          `image ${reference}`,
          image !== undefined,
          image ? `${reference} is there (${image.id.slice(7, 19)}).` : remedyOf(reference),
        )
      }),
    )
    return [
      check(
        'docker',
        api >= apiVersionMin,
        api >= apiVersionMin
          ? `Docker ${version.Version} answers at ${engine.host.url}.`
          : `Docker ${version.Version} speaks API ${version.ApiVersion}; ${apiVersionMin} (Docker 20.10) is needed.`,
      ),
      ...images,
      ...(engine.host.local ? [checkReversePath()] : []).map(({ name, ok, detail }) =>
        check(name, ok, detail),
      ),
      ...(await memory.preflight()).map(({ name, ok, detail }) => check(name, ok, detail)),
    ]
  } catch (error) {
    const { message } = toComputeError(error, engine.host)
    return [
      check(
        'docker',
        false,
        `${message} Start it (systemctl start docker), let this user use it (usermod -aG docker USER), or name another host: REEF_DOCKER_HOSTS`,
      ),
    ]
  }
}

function remedyOf(reference: string): string {
  return `There is no image ${reference}. Build it: npm run image`
}
