import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import Docker from 'dockerode'
import { toComputeError } from './errors.ts'
import type { HostAddress } from './host-address.ts'

/** One Docker Engine and how it is talked to. */
export interface Engine {
  readonly host: HostAddress
  /** Answers within the time that a healthy engine needs, or fails. */
  readonly docker: Docker
  /** For calls that take as long as they take: stopping with a grace. */
  readonly patient: Docker
  /** Runs a call and turns its failure into a `ComputeError` that names the host. */
  use<T>(work: () => Promise<T>): Promise<T>
}

/** Creating a container on a busy disk took up to 8 s; an engine that says nothing for this long hangs. */
const answerMilliseconds = 60_000

export function openEngine(host: HostAddress, certificatesDirectory: string | undefined): Engine {
  const target = connection(host, certificatesDirectory)
  return {
    host,
    docker: new Docker({ ...target, timeout: answerMilliseconds }),
    patient: new Docker(target),
    use: async (work) => {
      try {
        return await work()
      } catch (error) {
        throw toComputeError(error, host)
      }
    },
  }
}

function connection(host: HostAddress, certificatesDirectory: string | undefined): Docker.DockerOptions {
  const url = new URL(host.url)
  if (url.protocol === 'unix:') return { socketPath: url.pathname }
  const address = { host: url.hostname, port: Number(url.port) || 2376 }
  if (url.protocol === 'http:') return { ...address, protocol: 'http' }
  return { ...address, protocol: 'https', ...readCertificates(host, certificatesDirectory) }
}

/** As `docker --tlsverify` names them; a folder of the host's name goes before those that all hosts share. */
function readCertificates(host: HostAddress, directory: string | undefined) {
  if (directory === undefined)
    throw new Error(
      `The Docker host ${host.name} is remote, so REEF_DOCKER_CERTS must name a directory with ca.pem, cert.pem and key.pem.`,
    )
  const own = join(directory, host.name)
  const place = existsSync(own) ? own : directory
  const read = (name: string): Buffer => {
    try {
      return readFileSync(join(place, name))
    } catch (error) {
      throw new Error(`${join(place, name)} of the Docker host ${host.name} cannot be read.`, {
        cause: error,
      })
    }
  }
  return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') }
}
