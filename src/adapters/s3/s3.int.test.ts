import { type ChildProcess, spawn } from 'node:child_process'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe } from 'vitest'
import { testBlobStore } from '../../../test/backups/support/store-contract.ts'
import { requireComponent } from '../../../test/support/components.ts'
import { eventually } from '../../../test/support/eventually.ts'
import { freePort } from '../../../test/support/free-port.ts'
import { openS3 } from './s3.ts'

const moto = requireComponent('moto_server')

describe.skipIf(!moto)('an S3-compatible store', () => {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  let server: ChildProcess
  let endpoint: string

  beforeAll(async () => {
    const port = await freePort()
    endpoint = `http://127.0.0.1:${port}`
    // Skipped without it.
    server = spawn(moto as string, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' })
    const client = new S3Client({ endpoint, region: 'us-east-1', credentials, forcePathStyle: true })
    await eventually(() => client.send(new CreateBucketCommand({ Bucket: 'backups' })), 60_000)
  })
  afterAll(() => {
    server?.kill('SIGKILL')
  })

  testBlobStore(() =>
    openS3({ bucket: 'backups', prefix: 'reef', region: 'us-east-1', endpoint, credentials }),
  )
})
