// Every text of the page. Functions make texts with numbers and names in them.
// Those of the operators' views are in texts_operate.js.

const seconds = (count) => `${Math.ceil(count)} second${Math.ceil(count) === 1 ? "" : "s"}`;

export const texts = {
  shell: {
    name: "Transcribe",
    loading: "Loading…",
    failed: "This did not work",
    again: "Try again",
    skip: "Skip to the content",
    signOut: "Sign out",
    theme: "Colours",
    toLight: "Use light colours",
    toDark: "Use dark colours",
  },
  nav: {
    label: "Main",
    transcribe: "Transcribe",
    operate: "Operate",
  },
  signin: {
    title: "Sign in",
    about: "This server asks for a key. Whoever runs it can give you one.",
    key: "Key",
    hint: "It is kept until you close this tab, and sent to this server only.",
    submit: "Sign in",
    refused: "The server does not know this key, or it is no longer valid.",
  },
  transcribe: {
    title: "Transcribe a recording",
    file: "Recording",
  },
  errors: {
    offline: "The server cannot be reached. Check your connection, and try again.",
    unknown: "Something failed here. Reload the page and try again.",
    unexpected: (message) => `Something failed here: ${message}`,
    status: (status) => `The server responded with status ${status}.`,
    codes: {
      file_too_large: () => "The file is larger than this server takes.",
      audio_too_long: () => "The recording is longer than this server takes.",
      empty_file: () => "The file is empty.",
      no_audio_stream: () => "There is no sound in this file.",
      no_audio: () => "There is no sound in this file.",
      invalid_audio: () => "This file is not audio or video that can be read.",
      audio_decode_failed: () => "This file could not be read. It may be damaged.",
      url_refused: () => "This server may not fetch from that address.",
      url_unreachable: () => "Nothing could be fetched from that address.",
      url_timeout: () => "Fetching from that address took too long.",
      model_loading: () => "The model is still loading. Try again in a moment.",
      overloaded: (message, wait) => `The server has all the work it can take.${wait ? ` Try again in ${seconds(wait)}.` : ""}`,
      stopping: () => "The server is restarting. Try again in a moment.",
      insufficient_quota: () => "The audio that your key may send this month is used up.",
      rate_limit_exceeded: (message, wait) => `You have reached a limit of your key.${wait ? ` Try again in ${seconds(wait)}.` : ""}`,
      timeout: () => "This took longer than the server allows.",
      upload_timeout: () => "The upload stopped, or was too slow.",
      missing_scope: () => "Your key may not do this.",
    },
    statuses: {
      401: () => "The server does not know your key. Sign in again.",
    },
  },
};
