/** What `fedloop init` writes: a configuration, a plan and a notice that are read as they stand, explained line by line. */

export function sampleConfig(origin: string, listenPort: number): string {
  return `# The coordinator's configuration. Every key and its default: docs/operations.md
# Check it and its plans before anything else: fedloop plan validate

# The name of the log. Devices and auditors pin it: it can never change.
origin: ${origin}

# Database, keys, tokens and models. Back it up; the vault beside it (${"`fedloop-data-vault`"}) apart from it.
dataDir: fedloop-data

# Where devices call, over gRPC. 127.0.0.1 is this machine alone; 0.0.0.0 is everybody.
listen: { host: 127.0.0.1, port: ${listenPort} }

# HTTP: devices in browsers, the log for monitors, the admin API. List the origins whose pages may take part.
http: { host: 127.0.0.1, port: ${listenPort + 37}, corsOrigins: [] }

# For development: certificates that fedloop init made. For production name your own; a renewal is picked up by itself.
tls:
  cert: tls/server.pem
  key: tls/server.key
  # clientCa: tls/ca.pem   # callers must then show a certificate of this authority, as tls/client.pem is

# Who may enroll: open lets in whoever knows the address. In production let in who has an invitation:
# mode token, and fedloop invitations create.
enrolment: { mode: open }

# One plan for each population.
plans: [plan.yaml]
`;
}

export function samplePlan(population: string): string {
  return `# What one population does. Every key and its default: docs/operations.md
# What it will do and cost: fedloop plan validate plan.yaml
population: ${population}

# Who is responsible, as the notice and the log name them.
controller: Example University

# The one purpose that participants consent to, and what they are shown when they are asked. Replace the notice.
purpose: lecture-recommendations
notice: { file: notice.md }
language: en
dataCategories: [lecture ratings]

# The model: names and shapes of its tensors. The trainer is what apps must have to train it.
model: { tensors: { lecturer.effect: [20], mean.offset: [1] } }
trainer: { id: biased-factorisation }
strategy: { id: diagonal-newton, settings: { denseTail: 1 } }

# Training rounds, and how many participants each aims for. Fewer than the minimum: the round is given up, nothing is spent.
rounds: 10
cohort: { target: 100, minimum: 50 }
deadlines: { selection: 10m, report: 15m }

# Each device adds its share of the noise and masks what it sends: the coordinator sees noised sums and nothing else.
privacy:
  mechanism: distributed-discrete-gaussian
  clipNorm: 5
  epsilon: 4 # for each participant, in all rounds together, at this delta:
  delta: 1.0e-5
`;
}

export const SAMPLE_NOTICE = `# What your ratings are used for

*A sample: replace it. It is what people agree to, and the log keeps its hash.*

**What stays with you.** Your ratings never leave your device.

**What leaves your device.** In each round, one small summary, limited in size, noised and masked. Only the sum over
everybody who takes part is ever seen. Nobody can tell from it, beyond a stated bound, whether you took part.

**Your choice.** Taking part is voluntary. You can withdraw at any time with as much effort as it took to agree.

**How you can check.** Every use is written, before it happens, into a public log that your device verifies.

Responsible: name and address of the controller.
`;
