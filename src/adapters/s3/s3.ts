import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import {
  type BlobInfo,
  BlobMissing,
  type BlobStore,
  requireKey,
  requireSums,
} from '../../domain/backups/blob-store.ts'

export interface S3Options {
  bucket: string
  /** Below which everything lies, without slashes at its ends; may be empty. */
  prefix: string
  region: string
  /** Of MinIO, R2, or Google's XML API; without one it is AWS. */
  endpoint: string | undefined
  /** Without them the SDK looks where it always does. */
  credentials: { accessKeyId: string; secretAccessKey: string } | undefined
}

/** Two parts are held in memory. Below one part a single request does, which is as atomic. */
const partBytesMin = 8 * 1024 * 1024
/** S3 takes no more for one object; beyond 80 GB the parts grow. */
const partsMax = 10_000

/**
 * Blobs as objects of an S3-compatible store. Nothing is to be seen of a multipart upload until it is completed, so
 * completing it, after size and digest were compared, is the publishing.
 */
export function openS3(options: S3Options): BlobStore {
  const client = new S3Client({
    region: options.region,
    ...(options.endpoint ? { endpoint: options.endpoint, forcePathStyle: true } : {}),
    ...(options.credentials ? { credentials: options.credentials } : {}),
    // Stores other than AWS do not know the newer checksums; our own digest is compared in any case.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 3,
  })
  const Bucket = options.bucket
  const before = options.prefix === '' ? '' : `${options.prefix}/`
  const keyOf = (key: string) => before + requireKey(key)

  return {
    name: `s3://${Bucket}/${before}`,

    put: async (key, body, expected) => {
      const target = { Bucket, Key: keyOf(key) }
      const sums = { hash: createHash('sha256'), bytes: 0 }
      const parts = inParts(body, sums, partBytesOf(expected.bytes))
      const first = await parts.next()
      const second = await parts.next()
      if (second.done) {
        requireSums({ bytes: sums.bytes, sha256: sums.hash.digest('hex') }, expected)
        await client.send(new PutObjectCommand({ ...target, Body: first.value ?? Buffer.alloc(0) }))
        return
      }
      await putInParts(client, target, concat([first.value as Buffer, second.value], parts), () =>
        requireSums({ bytes: sums.bytes, sha256: sums.hash.digest('hex') }, expected),
      )
    },

    get: async (key) => {
      try {
        const answer = await client.send(new GetObjectCommand({ Bucket, Key: keyOf(key) }))
        // In Node the SDK's body is one.
        return answer.Body as Readable
      } catch (error) {
        if ((error as Error).name === 'NoSuchKey') throw new BlobMissing(key)
        throw error
      }
    },

    list: (prefix) => listObjects(client, Bucket, before, prefix),

    delete: async (key) => {
      await client.send(new DeleteObjectCommand({ Bucket, Key: keyOf(key) }))
    },

    removeAbandoned: async (olderThan) => {
      const answer = await client.send(
        new ListMultipartUploadsCommand({ Bucket, ...(before ? { Prefix: before } : {}) }),
      )
      for (const { Key, UploadId, Initiated } of answer.Uploads ?? [])
        if (Initiated && Initiated < olderThan)
          await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }))
    },
  }
}

async function putInParts(
  client: S3Client,
  target: { Bucket: string; Key: string },
  parts: AsyncIterable<Buffer>,
  check: () => void,
): Promise<void> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(target))
  const upload = { ...target, UploadId }
  try {
    const Parts: { ETag: string | undefined; PartNumber: number }[] = []
    for await (const Body of parts) {
      const PartNumber = Parts.length + 1
      const { ETag } = await client.send(new UploadPartCommand({ ...upload, PartNumber, Body }))
      Parts.push({ ETag, PartNumber })
    }
    check()
    await client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }))
  } catch (error) {
    // What cannot be taken back now is found by `removeAbandoned`.
    await client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined)
    throw error
  }
}

async function* listObjects(
  client: S3Client,
  Bucket: string,
  before: string,
  prefix: string,
): AsyncIterable<BlobInfo> {
  let ContinuationToken: string | undefined
  do {
    const page = await client.send(
      new ListObjectsV2Command({
        Bucket,
        Prefix: before + prefix,
        ...(ContinuationToken ? { ContinuationToken } : {}),
      }),
    )
    for (const { Key, Size, LastModified } of page.Contents ?? [])
      if (Key !== undefined)
        yield { key: Key.slice(before.length), bytes: Size ?? 0, modifiedAt: LastModified ?? new Date(0) }
    ContinuationToken = page.NextContinuationToken
  } while (ContinuationToken !== undefined)
}

async function* concat(first: Buffer[], rest: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  yield* first
  yield* rest
}

function partBytesOf(bytes: number): number {
  return Math.max(partBytesMin, Math.ceil(bytes / partsMax))
}

/** Parts in two buffers by turns: whoever asks for the next one has sent the one before the last. */
async function* inParts(
  body: Readable,
  sums: { hash: ReturnType<typeof createHash>; bytes: number },
  partBytes: number,
): AsyncGenerator<Buffer, undefined> {
  const buffers: Buffer[] = []
  let count = 0
  let filled = 0
  const current = (): Buffer => {
    const buffer = buffers[count % 2] ?? Buffer.allocUnsafeSlow(partBytes)
    buffers[count % 2] = buffer
    return buffer
  }
  for await (const chunk of body as AsyncIterable<Buffer>) {
    sums.hash.update(chunk)
    sums.bytes += chunk.length
    for (let at = 0; at < chunk.length; ) {
      const copied = chunk.copy(current(), filled, at)
      at += copied
      filled += copied
      if (filled < partBytes) continue
      yield current()
      count += 1
      filled = 0
    }
  }
  if (filled > 0) yield current().subarray(0, filled)
  return undefined
}
