package peerenv

// verdict is what xbuild does about an environment variable that docker buildx reads.
type verdict struct {
	is  answer
	why string
}

type answer string

const (
	honoured   answer = "honoured"   // with the meaning that it has for buildx
	refused    answer = "refused"    // set to something that matters, it is an error
	irrelevant answer = "irrelevant" // of no meaning here, because
)

var verdicts = map[string]verdict{
	"? bake.ParseFiles":                      {honoured, "values of variables"},
	"? bake.composeEnv":                      {honoured, "variables of compose files"},
	"? bake.gitAuthSecretsFromEnv":           {honoured, "BUILDX_BAKE_GIT_AUTH_TOKEN and BUILDX_BAKE_GIT_AUTH_HEADER, without a host in the name"},
	"? bake.newOverrides":                    {honoured, "--set TARGET.args.NAME without a value"},
	"? commands.listToMap":                   {irrelevant, "flags of docker buildx build, which xbuild does not have"},
	"ACTIONS_CACHE_SERVICE_V2":               {is: honoured},
	"ACTIONS_CACHE_URL":                      {is: honoured},
	"ACTIONS_RESULTS_URL":                    {is: honoured},
	"ACTIONS_RUNTIME_TOKEN":                  {is: honoured},
	"BAKE_ALLOW_REMOTE_FS_ACCESS":            {is: honoured},
	"BUILDKIT_HOST":                          {is: honoured},
	"EXPERIMENTAL_BUILDKIT_SOURCE_POLICY":    {is: honoured},
	"BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP":    {is: honoured},
	"BUILDX_BAKE_ENTITLEMENTS_FS":            {is: honoured},
	"BUILDX_BAKE_FILE_RELATIVE_PATHS":        {is: honoured},
	"BUILDX_BAKE_GIT_SSH":                    {is: honoured},
	"BUILDX_METADATA_PROVENANCE":             {is: honoured},
	"SOURCE_DATE_EPOCH":                      {is: honoured},
	"SUDO_GID":                               {honoured, "files get the owner that sudo was called by"},
	"SUDO_UID":                               {honoured, "files get the owner that sudo was called by"},
	"BUILDX_DEFAULT_POLICY":                  {refused, "the policy is in Rego, which xbuild cannot evaluate"},
	"BUILDX_GIT_LABELS":                      {refused, "images would lack the labels"},
	"BUILDX_BAKE_GIT_ADVICE":                 {irrelevant, "a hint of git about detached heads in a log"},
	"BUILDX_BUILDER":                         {irrelevant, "xbuild has no builders of buildx; BUILDKIT_HOST and the docker context choose the node"},
	"BUILDX_CONFIG":                          {irrelevant, "the directory of buildx's own state"},
	"BUILDX_DAP_USER_AGENT":                  {irrelevant, "the debugger of buildx"},
	"BUILDX_EXPERIMENTAL":                    {irrelevant, "it shows commands and flags that xbuild does not have"},
	"BUILDX_GIT_CHECK_DIRTY":                 {irrelevant, "part of what BUILDX_GIT_INFO adds"},
	"BUILDX_GIT_INFO":                        {irrelevant, "it turns off what buildx adds to the provenance, and xbuild adds nothing to it"},
	"BUILDX_METADATA_WARNINGS":               {irrelevant, "more in the metadata file, on demand"},
	"BUILDX_NO_DEFAULT_ATTESTATIONS":         {irrelevant, "xbuild attaches only attestations that are asked for"},
	"BUILDX_NO_DEFAULT_LOAD":                 {is: honoured},
	"BUILDX_NO_DEFAULT_OCI_ARTIFACT":         {irrelevant, "the form of attestations is what the output's oci-artifact says"},
	"BUILDX_SEND_GIT_QUERY_AS_INPUT":         {irrelevant, "how buildx sends addresses to old daemons"},
	"DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND": {irrelevant, "the name of the command in a hint"},
	"DOCKER_DEFAULT_PLATFORM":                {irrelevant, "bake does not read it: it is the default of flags of build and dial-stdio"},
	"KUBECONFIG":                             {irrelevant, "xbuild starts no BuildKit in Kubernetes"},
	"SUDO_COMMAND":                           {irrelevant, "the owner of buildx's own state"},
}
