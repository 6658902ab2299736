// GangwayConnect 1.2.1, the global that /connect.js makes.

export as namespace GangwayConnect;

export type State = "idle" | "loading" | "ready" | "open" | "hidden" | "done" | "destroyed";
export type Mode = "modal" | "inline" | "redirect";

export type ViewName =
  | "CONSENT" | "SELECT_SOURCE" | "SOURCE_STATUS" | "CREDENTIAL" | "LOADING" | "MFA" | "SELECT_ACCOUNT" | "ERROR"
  | "CONNECTED" | "EXIT_CONFIRM";

export type ExitStatus =
  | "requires_consent" | "requires_source_selection" | "requires_credentials" | "requires_code" | "choose_device"
  | "requires_questions" | "requires_selections" | "requires_account_selection" | "in_progress" | "result_unknown"
  | "source_unavailable" | "timed_out" | "token_expired" | "connected";

/** Never renamed. Others may come: ignore what you do not know. */
export type EventName =
  | "OPEN" | "SELECT_SOURCE" | "SUBMIT_CREDENTIALS" | "MFA_REQUIRED" | "SUBMIT_MFA" | "SELECT_ACCOUNT" | "STATUS_CHANGED"
  | "ERROR" | "HANDOFF" | "EXIT" | "CLOSE" | "TRANSITION_VIEW" | "SEARCH_SOURCE" | "BACKGROUND" | "RESUME"
  | "HANDOFF_DEVICE" | "ISSUE_FOLLOWED" | (string & {});

export interface ConnectError {
  error_type:
    | "CREDENTIALS_ERROR" | "INTERACTION_ERROR" | "SOURCE_ERROR" | "RATE_LIMIT_EXCEEDED" | "SESSION_ERROR" | "API_ERROR";
  /** For SESSION_ERROR: token_expired, token_invalid, token_already_used, origin_not_allowed, frame_blocked, nested_frame… */
  error_code: string;
  /** For developers. */
  error_message: string;
  /** For the person. */
  display_message: string;
  user_recoverable: boolean;
  suggested_action:
    | "retry" | "fix_credentials" | "restart_mfa" | "wait" | "choose_other_source" | "contact_support" | "none";
  retry_after_seconds?: number;
  support_code?: string;
}

export interface Source {
  source_id: string;
  name: string;
}

export interface SuccessMetadata {
  session_id: string | null;
  connection_id_hint?: string;
  source?: Source | null;
  accounts?: { id: string; name: string; mask: string; type: string; selected: boolean }[];
  is_update?: boolean;
  request_id?: string;
  status?: ExitStatus;
}

export interface ExitMetadata {
  session_id: string | null;
  status: ExitStatus;
  source: Source | null;
  view_name: ViewName | null;
  run_state: string | null;
  resumable: boolean;
  request_id?: string;
  support_code?: string;
}

export interface EventMetadata {
  event_id?: string;
  seq?: number;
  timestamp?: string;
  session_id: string | null;
  request_id?: string;
  view_name: ViewName | null;
  is_update_mode?: boolean;
  source_id?: string | null;
  source_name?: string | null;
  run_id?: string | null;
  mfa_type?: "code" | "device" | "questions" | "selections";
  attempt?: number;
  waiting_on?: "user" | "source";
  status?: string;
  exit_status?: ExitStatus;
  search_query_length?: number;
  /** phone, with HANDOFF_DEVICE. */
  device?: string;
  error_type?: string;
  error_code?: string;
  error_message?: string;
}

export interface Appearance {
  mode?: "light" | "dark";
}

export interface Config {
  /** `connect_token` of `POST /v1/connect/sessions`: opens once. */
  token?: string;
  /** Asked at every open(), and once more when a token turns out to be used or expired. */
  getToken?: () => string | { connect_token: string } | Promise<string | { connect_token: string }>;
  /** `public_token` is null after a redirect: ask your server by `session_id`. */
  onSuccess?: (public_token: string | null, metadata: SuccessMetadata) => void;
  onExit?: (error: ConnectError | null, metadata: ExitMetadata) => void;
  onEvent?: (name: EventName, metadata: EventMetadata) => void;
  onLoad?: () => void;
  /** modal unless told otherwise. */
  mode?: Mode;
  /** Where inline mode goes. */
  container?: Element;
  /** The address people came back to, in redirect mode. */
  receivedRedirectUri?: string;
  /** Where Gangway is; known from the script's own address unless it is a module or bundled. */
  baseUrl?: string;
  zIndex?: string;
  appearance?: Appearance;
}

export interface Handler {
  /** Does nothing while it is open. Needs no click. */
  open(options?: { mode?: Mode }): void;
  /** Asks the person first while something is going on, unless forced. */
  exit(options?: { force?: boolean }): void;
  /** Takes everything away and puts the page back as it was. */
  destroy(): void;
  /** Fills in what you know: `source_id`, `username`… Throws a TypeError for names that look like secrets. */
  submit(data: Record<string, string>): void;
  hide(): void;
  show(): void;
  update(changes: { appearance?: Appearance }): void;
  readonly state: State;
  /** Settles by itself: when open() can work, or with why it never will. */
  readonly ready: Promise<void>;
}

export interface Diagnosis {
  version: string;
  origin: string;
  nested: boolean;
  dialog: boolean;
  /** Directives of your page's policy that have blocked us. */
  blocked: string[];
  /** What your policy has to allow. */
  policy: string;
}

export function create(config: Config): Handler;
export function createEmbedded(config: Config, container: Element): Handler;
export function diagnose(): Diagnosis;
export const version: string;
