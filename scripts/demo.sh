#!/bin/sh
# demo.sh BIN: from a bare machine to a healthy fleet of 131 agents; BIN is where this project's programs are.
#
# Where Docker can neither be found nor installed, the fleet is brought up on the simulated engine instead, and that is said
# loudly: nothing runs then. An engine that is here but does not work is an error, not a reason to simulate.
set -eu

bin=$1
here=$(dirname "$0")
environment=local

"$here/engine.sh" || {
    code=$?
    [ "$code" = 3 ] || exit "$code"
    environment=simulated
}

if [ "$environment" = local ]; then
    "$bin/python" "$here/base_image.py"
else
    cat << 'END'

################################################################################
#  NO DOCKER: THIS IS A SIMULATION. NO CONTAINER RUNS AND NO PORT ANSWERS.     #
#  Docker was not found on this machine and can't be installed here (see the   #
#  lines above). The same specs are planned and applied on a simulated engine, #
#  which is the file state/engine.json.                                        #
################################################################################

END
fi

"$bin/sutazai" build -e "$environment"
"$bin/sutazai" apply -e "$environment" --auto-approve
"$bin/sutazai" status -e "$environment"

look="curl http://127.0.0.1:11000/info"
[ "$environment" = local ] || look="less state/engine.json"
cat << END

The fleet is up$([ "$environment" = local ] || echo " (simulated: nothing really runs)"). From here, in this folder:
  look        $bin/sutazai status -e $environment       $look
  change      edit modules/agent/module.yaml or a file in specs/, then
              $bin/sutazai plan -e $environment         $bin/sutazai apply -e $environment
  roll back   $bin/sutazai history -e $environment      $bin/sutazai rollback -e $environment --state 1
  take down   $bin/sutazai destroy -e $environment
END
