import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { runToEnd } from '../process.ts'
import { CannotInstall } from '../server.ts'
import { debianPackages, findProgram } from './debian.ts'

const cache = resolve(import.meta.dirname, '../../../.cache/brokers')

/** A folder with these artifacts (`group:name:version`, exact) and everything they need at run time. */
export function jarFolder(artifacts: readonly string[]): string {
  return join(cache, 'jars', createHash('sha256').update(artifacts.join('\n')).digest('hex').slice(0, 16))
}

/** Brings the artifacts into {@link jarFolder}, once; several processes may do it at the same time. */
export async function mavenArtifacts(artifacts: readonly string[]): Promise<void> {
  await javaRuntime()
  const folder = jarFolder(artifacts)
  if (existsSync(folder)) return
  await debianPackages(() => findProgram('mvn') !== undefined, ['maven'], 'install Maven')
  const work = `${folder}.${process.pid}`
  mkdirSync(work, { recursive: true })
  const dependencies = artifacts.map((artifact) => {
    const [group, name, version] = artifact.split(':')
    return `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`
  })
  writeFileSync(
    join(work, 'pom.xml'),
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>local</groupId><artifactId>jars</artifactId><version>1</version><packaging>pom</packaging><dependencies>${dependencies.join('')}</dependencies></project>\n`,
  )
  try {
    await runToEnd(
      {
        program: findProgram('mvn') ?? 'mvn',
        args: [
          '-q',
          '-B',
          '-ntp',
          'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies',
          '-DincludeScope=runtime',
          '-DoutputDirectory=jars',
        ],
      },
      work,
    )
    if (!existsSync(folder)) renameSync(join(work, 'jars'), folder)
  } catch (error) {
    throw new CannotInstall(artifacts[0] ?? '', `Maven could not bring it (${error instanceof Error ? error.message.split('\n')[1] : error})`)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** There is a Java runtime. */
export function hasJava(): boolean {
  return findProgram('java', javaFolders()) !== undefined
}

async function javaRuntime(): Promise<void> {
  await debianPackages(hasJava, ['openjdk-17-jre-headless'], 'install a Java runtime, 17 or newer')
}

/** Where the Java runtime is. */
export function java(): string {
  return findProgram('java', javaFolders()) ?? 'java'
}

function javaFolders(): readonly string[] {
  return process.env.JAVA_HOME === undefined ? [] : [join(process.env.JAVA_HOME, 'bin')]
}
